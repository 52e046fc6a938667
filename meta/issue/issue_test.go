package issue_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/issue"
	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/sds"
)

const chainID = "issue-test-1"

func authority() ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("authority"))
	return ed25519.NewKeyFromSeed(seed[:])
}

func cid(text string) sds.CID { return sds.Sum(sds.Raw, []byte(text)) }

func config(dir string) issue.Config {
	return issue.Config{
		Dir: dir, ChainID: chainID, Key: authority(), Authority: 3, EpochLength: time.Minute,
		Known:  func(id meta.EdgeID) bool { return id >= 1 && id <= 20 },
		Own:    func(id meta.EdgeID) bool { return id == 20 },
		Banned: func(digest [32]byte) bool { return digest == cid("banned").Digest },
		Logger: slog.New(slog.DiscardHandler),
	}
}

func open(t testing.TB, cfg issue.Config) *issue.Issuer {
	t.Helper()
	i, err := issue.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

func request() meta.TicketRequest {
	return meta.TicketRequest{
		Class: receipt.ClassB, Root: cid("root"), Unit: meta.UnitKey{7}, Working: []meta.EdgeID{4, 2, 9}, Rest: []meta.EdgeID{11, 12},
		Sources: []meta.EdgeID{5, 6}, Client: netip.MustParseAddr("203.0.113.9"), Region: 2, ASN: 64500, MaxBytes: 1 << 20, Lifetime: time.Hour,
	}
}

func one(t *testing.T, i *issue.Issuer, q meta.TicketRequest) *receipt.Ticket {
	t.Helper()
	out, err := i.Issue(t.Context(), []meta.TicketRequest{q})
	if err != nil || len(out) != 1 || out[0].Err != nil {
		t.Fatalf("issue: %+v, %v", out, err)
	}
	return out[0].Ticket
}

func TestATicketSaysWhatWasAsked(t *testing.T) {
	t.Parallel()
	i := open(t, config(t.TempDir()))
	out, err := i.Issue(t.Context(), []meta.TicketRequest{request()})
	if err != nil || out[0].Err != nil {
		t.Fatal(err, out)
	}
	ticket, err := receipt.ParseTicket(out[0].Text)
	if err != nil {
		t.Fatal(err)
	}
	if err := ticket.Verify(authority().Public().(ed25519.PublicKey), chainID); err != nil {
		t.Error(err)
	}
	if ticket.Bind != cid("root").Digest || ticket.MaxBytes != 1<<20 || ticket.ID.Authority() != 3 {
		t.Errorf("got %+v", ticket)
	}
	if got := slices.Sorted(slices.Values(ticket.Edges[:3])); !slices.Equal(got, []uint32{2, 4, 9}) || !slices.Equal(ticket.Edges[3:], []uint32{11}) {
		t.Errorf("edges %v: want the working set in some order, then the first of the rest", ticket.Edges)
	}
	if !slices.Equal(ticket.Sources, []uint32{5, 6}) {
		t.Errorf("sources %v", ticket.Sources)
	}
	if left := time.Until(ticket.ID.NotAfter()); left < 59*time.Minute || left > time.Hour {
		t.Errorf("lives %s, want an hour", left)
	}
	same, other := request(), request()
	same.Client, other.Client = netip.MustParseAddr("203.0.113.200"), netip.MustParseAddr("203.0.114.9")
	if one(t, i, same).NetTag != ticket.NetTag || one(t, i, other).NetTag == ticket.NetTag {
		t.Error("the tag is not that of the client's network")
	}
}

func TestOneRequestThatFailsDoesNotFailTheOthers(t *testing.T) {
	t.Parallel()
	i := open(t, config(t.TempDir()))
	spoil := map[string]struct {
		change func(*meta.TicketRequest)
		want   error
	}{
		"an edge of its own":            {func(q *meta.TicketRequest) { q.Working[1] = 20 }, meta.ErrForbidden},
		"a further edge of its own":     {func(q *meta.TicketRequest) { q.Rest = []meta.EdgeID{20} }, meta.ErrForbidden},
		"a source of its own":           {func(q *meta.TicketRequest) { q.Sources = []meta.EdgeID{5, 20} }, meta.ErrForbidden},
		"no root":                       {func(q *meta.TicketRequest) { q.Root = sds.CID{} }, meta.ErrInvalid},
		"a banned root":                 {func(q *meta.TicketRequest) { q.Root = cid("banned") }, meta.ErrBanned},
		"an unknown edge":               {func(q *meta.TicketRequest) { q.Rest = []meta.EdgeID{99} }, meta.ErrInvalid},
		"an unknown source":             {func(q *meta.TicketRequest) { q.Sources = []meta.EdgeID{99} }, meta.ErrInvalid},
		"no edge":                       {func(q *meta.TicketRequest) { q.Working, q.Rest = nil, nil }, meta.ErrNoEdges},
		"too many edges":                {func(q *meta.TicketRequest) { q.Working = make([]meta.EdgeID, 65) }, meta.ErrInvalid},
		"no bytes":                      {func(q *meta.TicketRequest) { q.MaxBytes = 0 }, meta.ErrInvalid},
		"a life that is too long":       {func(q *meta.TicketRequest) { q.Lifetime = 25 * time.Hour }, meta.ErrInvalid},
		"a life that is over":           {func(q *meta.TicketRequest) { q.Lifetime = -1 }, meta.ErrInvalid},
		"class A without a key":         {func(q *meta.TicketRequest) { q.Class = receipt.ClassA }, meta.ErrInvalid},
		"class B with a key":            {func(q *meta.TicketRequest) { q.ViewerAlg, q.ViewerKey = receipt.Ed25519, [33]byte{1} }, meta.ErrInvalid},
		"a class that does not exist":   {func(q *meta.TicketRequest) { q.Class = 9 }, meta.ErrInvalid},
		"the same edge as working, too": {func(q *meta.TicketRequest) { q.Rest = q.Working }, nil},
	}
	var requests []meta.TicketRequest
	var names []string
	for name, s := range spoil {
		q := request()
		s.change(&q)
		requests, names = append(requests, q), append(names, name)
	}
	out, err := i.Issue(t.Context(), requests)
	if err != nil {
		t.Fatal(err)
	}
	for n, name := range names {
		if !errors.Is(out[n].Err, spoil[name].want) || (out[n].Ticket == nil) != (out[n].Err != nil) {
			t.Errorf("%s: %v, want %v", name, out[n].Err, spoil[name].want)
		}
	}
	if _, err := i.Issue(t.Context(), make([]meta.TicketRequest, issue.MaxBatch+1)); !errors.Is(err, meta.ErrInvalid) {
		t.Errorf("too many at once: %v", err)
	}
}

func TestTheSeedDrawsTheOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	i := open(t, config(dir))
	q := request()
	q.Class, q.ViewerAlg, q.ViewerKey = receipt.ClassA, receipt.Ed25519, [33]byte{1}
	first := one(t, i, q)
	if again := one(t, i, q); !slices.Equal(again.Edges, first.Edges) {
		t.Errorf("one viewer and unit: %v, then %v", first.Edges, again.Edges)
	}
	shuffled := q
	shuffled.Working = []meta.EdgeID{9, 4, 2}
	if again := one(t, i, shuffled); !slices.Equal(again.Edges, first.Edges) {
		t.Errorf("the router's order counts: %v, then %v", first.Edges, again.Edges)
	}
	leads := map[uint32]int{}
	for n := range 300 {
		q.ViewerKey = [33]byte{1, byte(n), byte(n >> 8)}
		leads[one(t, i, q).Edges[0]]++
	}
	for edge, count := range leads {
		if len(leads) != 3 || count < 60 || count > 140 {
			t.Errorf("edge %d leads %d of 300 times: %v", edge, count, leads)
		}
	}
}

// All numbers of all tickets, taken from the log: each once, whatever happened.
func TestNumbersAreNeverUsedTwiceEvenAfterACrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Unix(1_800_000_000, 0)
	cfg := config(dir)
	cfg.Now = func() time.Time { return now }
	seen := map[receipt.TicketID]bool{}
	for round := range 5 {
		if round == 3 {
			now = now.Add(time.Minute)
		}
		i, err := issue.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		var mu sync.Mutex
		for range 4 {
			group.Go(func() {
				for range 20 {
					ticket := one(t, i, request())
					mu.Lock()
					if seen[ticket.ID] {
						t.Errorf("round %d: id %s twice", round, ticket.ID)
					}
					seen[ticket.ID] = true
					mu.Unlock()
				}
			})
		}
		group.Wait()
		if round%2 == 0 {
			if err := i.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		// A crash: nothing is given back. The files are as they are.
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
		cfg.Dir, dir = copied, copied
	}
	// Within an epoch the numbers behind the ids differ as well.
	epochs, err := issue.LoggedEpochs(dir)
	if err != nil || len(epochs) != 2 {
		t.Fatalf("epochs %v, %v", epochs, err)
	}
	for _, epoch := range epochs {
		numbers := map[uint64]bool{}
		err := issue.ReadLog(dir, epoch, func(number uint64, ticket *receipt.Ticket) error {
			if numbers[number] || ticket.Epoch != epoch {
				t.Errorf("epoch %d: number %d twice, or in another epoch", epoch, number)
			}
			numbers[number] = true
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestAClockThatGoesBackDoesNotBringNumbersBack(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	cfg := config(t.TempDir())
	cfg.Now = func() time.Time { return now }
	i := open(t, cfg)
	epoch := one(t, i, request()).Epoch
	now = now.Add(-time.Hour)
	if got := one(t, i, request()).Epoch; got != epoch {
		t.Errorf("epoch %d after %d", got, epoch)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, cfg)
	out, err := again.Issue(t.Context(), []meta.TicketRequest{request()})
	if err != nil || out[0].Err == nil {
		t.Errorf("after a restart with a clock an hour behind: %v, %+v", err, out)
	}
}

// Every ticket is in the log a tenth of a second after it was signed.
func TestTheLogIsSyncedInTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		i := open(t, config(dir))
		ticket := one(t, i, request())
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		found := 0
		err := issue.ReadLog(dir, ticket.Epoch, func(_ uint64, logged *receipt.Ticket) error {
			found++
			if logged.ID != ticket.ID {
				t.Errorf("logged %s, signed %s", logged.ID, ticket.ID)
			}
			return nil
		})
		if err != nil || found != 1 {
			t.Errorf("%d in the log, %v", found, err)
		}
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheLogIsBoundedAndGoesOnBehindATornFrame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Unix(1_800_000_000, 0)
	cfg := config(dir)
	cfg.LogEpochs = 3
	cfg.Now = func() time.Time { return now }
	var last uint64
	for range 6 {
		i := open(t, cfg)
		last = one(t, i, request()).Epoch
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	epochs, err := issue.LoggedEpochs(dir)
	if err != nil || !slices.Equal(epochs, []uint64{last - 2, last - 1, last}) {
		t.Fatalf("epochs %v, %v; want the last three up to %d", epochs, err, last)
	}
	path := filepath.Join(dir, fmt.Sprintf("%016d.log", last))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(-time.Minute)
	for _, torn := range [][]byte{{0}, {0, 0, 1, 1, 9, 9}, whole[:len(whole)-1], binary.BigEndian.AppendUint32(nil, 1<<30)} {
		if err := os.WriteFile(path, slices.Concat(whole, torn), 0o600); err != nil {
			t.Fatal(err)
		}
		i := open(t, cfg)
		one(t, i, request())
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
		count := 0
		if err := issue.ReadLog(dir, last, func(uint64, *receipt.Ticket) error { count++; return nil }); err != nil || count != 2 {
			t.Errorf("behind %d torn bytes: %d tickets, %v; want 2", len(torn), count, err)
		}
	}
}

func TestADamagedSequenceIsNotGuessed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	i := open(t, config(dir))
	one(t, i, request())
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sequence")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[15] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := issue.Open(config(dir)); err == nil {
		t.Error("a damaged sequence was believed")
	}
}

func TestAClosedIssuerSignsNothing(t *testing.T) {
	t.Parallel()
	i := open(t, config(t.TempDir()))
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := i.Issue(t.Context(), []meta.TicketRequest{request()})
	if err != nil || out[0].Err == nil {
		t.Errorf("got %+v, %v", out, err)
	}
}

// The tickets that one core signs in a second, logged and all.
func BenchmarkIssue(b *testing.B) {
	i := open(b, config(b.TempDir()))
	batch := make([]meta.TicketRequest, 100)
	for n := range batch {
		batch[n] = request()
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for n := 0; pb.Next(); n++ {
			if n%len(batch) != 0 {
				continue
			}
			out, err := i.Issue(b.Context(), batch)
			if err != nil || out[0].Err != nil {
				b.Error(err, out[0].Err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tickets/s")
}
