package receipt

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// inOrder walks a map by its keys' order.
func inOrder[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

func TestParseTicketHasOneSpelling(t *testing.T) {
	t.Parallel()
	ticket := full()
	ticket.Edges, ticket.Sources = []uint32{1}, nil // 266 bytes, so the last character has loose bits
	text := ticket.Text()
	if len(text)%4 == 0 {
		t.Fatal("want a length with loose bits")
	}
	last := text[len(text)-1]
	for name, other := range map[string]string{
		"padding":          text + "=",
		"a line break":     text[:9] + "\n" + text[9:],
		"a return":         text + "\r",
		"loose bits":       text[:len(text)-1] + string(base64url[strings.IndexByte(base64url, last)|1]),
		"another alphabet": base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 266)),
		"nothing":          "",
		"too much":         strings.Repeat("A", 10_000),
	} {
		if _, err := ParseTicket(other); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want %v", name, err, ErrMalformed)
		}
	}
	if _, err := ParseTicket(text); err != nil {
		t.Error(err)
	}
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func TestVerifyRefusesAnotherKey(t *testing.T) {
	t.Parallel()
	other := ed25519.NewKeyFromSeed(counting(32, 99)).Public().(ed25519.PublicKey)
	for name, key := range map[string]ed25519.PublicKey{"another": other, "no": nil, "a short": other[:31]} {
		if err := full().Verify(key, testChain); !errors.Is(err, ErrSignature) {
			t.Errorf("%s key: %v, want %v", name, err, ErrSignature)
		}
	}
}

func TestEveryBitIsSigned(t *testing.T) {
	t.Parallel()
	b, key := full().Encode(), testKey().Public().(ed25519.PublicKey)
	for i := range b {
		for bit := range 8 {
			c := bytes.Clone(b)
			c[i] ^= 1 << bit
			ticket, err := DecodeTicket(c)
			if err == nil {
				err = ticket.Verify(key, testChain)
			}
			if err == nil {
				t.Errorf("bit %d of byte %d is not signed", bit, i)
			}
		}
	}
}

func TestTicketID(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_900_000_000, 0)
	id := NewTicketID(at, 513, [6]byte{1, 2, 3, 4, 5, 6})
	if !id.NotAfter().Equal(at) || id.Authority() != 513 || id.Sequence() != [6]byte{1, 2, 3, 4, 5, 6} {
		t.Errorf("%v %d %x", id.NotAfter(), id.Authority(), id.Sequence())
	}
	if got, err := ParseTicketID(id.String()); err != nil || got != id {
		t.Errorf("round trip %v, %v; want %v", got, err, id)
	}
	for _, text := range []string{"", "00", strings.ToUpper(id.String()), id.String() + "0", strings.Repeat("g", 32)} {
		if _, err := ParseTicketID(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("ParseTicketID(%q) = %v, want %v", text, err, ErrMalformed)
		}
	}
	ticket := &Ticket{ID: id}
	if ticket.Expired(at) || !ticket.Expired(at.Add(time.Second)) {
		t.Error("a ticket is good until not_after and no longer")
	}
}

func TestSequenceCipherIsAPermutation(t *testing.T) {
	t.Parallel()
	c := NewSequenceCipher([32]byte(counting(32, 1)))
	seen := map[[6]byte]bool{}
	for n := range uint64(20_000) {
		b, err := c.Encrypt(n)
		if err != nil || seen[b] || c.Decrypt(b) != n {
			t.Fatalf("%d: %x, %v, back %d", n, b, err, c.Decrypt(b))
		}
		seen[b] = true
	}
	if _, err := c.Encrypt(MaxSequence + 1); !errors.Is(err, ErrMalformed) {
		t.Errorf("49 bits: %v, want %v", err, ErrMalformed)
	}
}

func TestSealedFieldsOpenUnderTheirIDOnly(t *testing.T) {
	t.Parallel()
	k := NewEpochKey([32]byte(counting(32, 1)))
	id := full().ID
	sealed := k.Seal(id, SealedFields{Region: 7})
	if _, err := k.Open(id, sealed); err != nil {
		t.Error(err)
	}
	other := id
	other[15]++
	if _, err := k.Open(other, sealed); !errors.Is(err, ErrSignature) {
		t.Errorf("under another id: %v, want %v", err, ErrSignature)
	}
	if _, err := NewEpochKey([32]byte{}).Open(id, sealed); !errors.Is(err, ErrSignature) {
		t.Errorf("under another key: %v, want %v", err, ErrSignature)
	}
}

func TestNoAddressHasNoTag(t *testing.T) {
	t.Parallel()
	if tag := NewEpochKey([32]byte{}).NetTag([20]byte{1}, netip.Addr{}); tag != [8]byte{} {
		t.Errorf("tag %x, want zeros", tag)
	}
}

func TestOrderIsFairAndDoesNotDependOnItsInput(t *testing.T) {
	t.Parallel()
	first := map[uint32]int{}
	for i := range uint64(6000) {
		got := Order(Seed{1}, ClassB, [33]byte{}, [32]byte{2}, i, []uint32{10, 20, 30})
		if again := Order(Seed{1}, ClassB, [33]byte{}, [32]byte{2}, i, []uint32{30, 10, 20}); !slices.Equal(got, again) {
			t.Fatalf("%v, then %v", got, again)
		}
		first[got[0]]++
	}
	for edge, n := range first {
		if n < 1850 || n > 2150 { // four standard deviations
			t.Errorf("edge %d was first %d times of 6000", edge, n)
		}
	}
}

func FuzzDecodeTicket(f *testing.F) {
	f.Add(full().Encode())
	for _, change := range inOrder(changes()) {
		ticket := full()
		change(ticket)
		f.Add(ticket.Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ticket, err := DecodeTicket(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%v is not %v", err, ErrMalformed)
			}
			return
		}
		if got := ticket.Encode(); !bytes.Equal(got, b) {
			t.Errorf("decoded %x, encodes to %x", b, got)
		}
		if again, err := ParseTicket(ticket.Text()); err != nil || !bytes.Equal(again.Encode(), b) {
			t.Errorf("the text does not come back: %v", err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	text := full().Text()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseTicket(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	ticket, key := full(), testKey().Public().(ed25519.PublicKey)
	for b.Loop() {
		if err := ticket.Verify(key, testChain); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIssue makes a whole ticket: sequence, tag, sealed fields, order,
// signature, text.
func BenchmarkIssue(b *testing.B) {
	ticket, key := full(), testKey()
	sequence, epoch := NewSequenceCipher([32]byte{1}), NewEpochKey([32]byte{2})
	client := netip.MustParseAddr("192.0.2.77")
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		n++
		number, _ := sequence.Encrypt(n)
		ticket.ID = NewTicketID(time.Unix(1_900_000_000, 0), 1, number)
		ticket.Edges = Order(Seed{}, ClassB, ticket.ViewerKey, [32]byte{}, n, ticket.Edges)
		ticket.NetTag = epoch.NetTag(ticket.Payer, client)
		ticket.Sealed = epoch.Seal(ticket.ID, SealedFields{})
		ticket.Sign(key, testChain)
		_ = ticket.Text()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tickets/s")
}

func BenchmarkSignSeed(b *testing.B) {
	key, err := NewDrawKey([32]byte{1})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		key.SignSeed(testChain, 1, [32]byte{})
	}
}
