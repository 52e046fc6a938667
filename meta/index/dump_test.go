package index_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
	"github.com/stratos-mesh/stratos/meta/viewstore"
)

// everything in an index's scope.
func everything(t *testing.T, s viewstore.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := viewstore.All(t.Context(), s.Scope(index.ScopeName), "", func(e viewstore.Entry) error {
		all[e.Key] = string(e.Value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func emptyStore(t *testing.T) viewstore.Store {
	t.Helper()
	s, err := viewstore.OpenEmbedded(viewstore.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestADumpRestoresEveryKeyOrNoHeight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.claim("acme", "owner")
	for i := range 400 {
		w.must(w.bundle(meta.Name(fmt.Sprint("acme/", i)), fmt.Sprint(i)))
	}
	w.must(w.remove("acme/7"))
	state, err := w.x.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var dump bytes.Buffer
	if err := w.x.Dump(t.Context(), state.Height, &dump); err != nil {
		t.Fatal(err)
	}
	if err := w.x.Dump(t.Context(), state.Height-1, &bytes.Buffer{}); err == nil {
		t.Error("dumped a height that the index is not at")
	}
	open := func() (*index.Index, viewstore.Store) {
		s := emptyStore(t)
		x := index.New(s)
		if _, err := x.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		return x, s
	}
	whole, s := open()
	if err := whole.Restore(t.Context(), bytes.NewReader(dump.Bytes())); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(everything(t, w.store), everything(t, s)); diff != "" {
		t.Errorf("(-dumped +restored)\n%s", diff)
	}
	// Cut off anywhere, the index says that it is at no height, and restores.
	torn, s := open()
	for _, n := range []int{0, 3, 10, dump.Len() / 2, dump.Len() - 1} {
		if err := torn.Restore(t.Context(), bytes.NewReader(dump.Bytes()[:n])); err == nil {
			t.Errorf("restored from %d of %d bytes", n, dump.Len())
		}
		if got, err := torn.State(t.Context()); err != nil || got.Height != 0 {
			t.Errorf("after %d bytes: %+v, %v", n, got, err)
		}
	}
	if err := torn.Restore(t.Context(), bytes.NewReader(dump.Bytes())); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(everything(t, w.store), everything(t, s)); diff != "" {
		t.Errorf("after a restore that was cut off (-dumped +restored)\n%s", diff)
	}
}
