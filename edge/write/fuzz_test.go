package write

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

func FuzzHops(f *testing.F) {
	f.Add("1,2,3")
	f.Add(" 7 ,")
	grant := &meta.Grant{Edges: []meta.EdgeID{1, 2, 3}}
	f.Fuzz(func(t *testing.T, text string) {
		if hops, err := parseHops(text, grant); err == nil && len(hops) > len(grant.Edges) {
			t.Fatalf("%v", hops)
		}
	})
}

func TestAFanoutGivesEveryReaderAllBytes(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("stratos"), 50_000)
	f := newFanout(iotest.HalfReader(bytes.NewReader(body)), -1)
	late := make(chan []byte)
	go func() {
		got, err := io.ReadAll(f.reader())
		if err != nil {
			t.Error(err)
		}
		late <- got
	}()
	if got, err := io.ReadAll(f.source()); err != nil || !bytes.Equal(got, body) {
		t.Errorf("source: %d bytes, %v", len(got), err)
	}
	if got := <-late; !bytes.Equal(got, body) {
		t.Errorf("reader: %d bytes", len(got))
	}
	if got, err := io.ReadAll(f.reader().again()); err != nil || !bytes.Equal(got, body) {
		t.Errorf("again: %d bytes, %v", len(got), err)
	}
}

func TestAFanoutEndsItsReadersWhenTheSourceIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newFanout(bytes.NewReader([]byte("some")), 4)
	broken := errors.New("broken")
	f.fail(broken)
	if _, err := io.ReadAll(f.reader()); !errors.Is(err, broken) {
		t.Errorf("reader: %v", err)
	}
	large := newFanout(bytes.NewReader(make([]byte, sds.MaxBlockSize+1)), 1)
	if _, err := io.ReadAll(large.source()); !errors.Is(err, sds.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}
