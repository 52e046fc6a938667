// Package viewstoretest is the suite that every view store passes, and real
// Redis servers to run it on.
package viewstoretest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta/viewstore"
)

// Run tests the promises of viewstore.Store. Open returns an empty store that
// shares no keys with any other and is closed by the test's cleanup.
func Run(t *testing.T, open func(t *testing.T) viewstore.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s viewstore.Store)
	}{
		{"a scope that was not begun is wiped", notBegun},
		{"the first to begin is told fresh, the next is not", beginTwice},
		{"keys come back as they were set", setGet},
		{"a time to live ends", timeToLive},
		{"a scan is ordered, bounded and goes on after a cursor", scan},
		{"a scan tells prefixes of odd bytes apart", scanOddBytes},
		{"all pages through more than one page", all},
		{"a batch is all or nothing", batchExpect},
		{"batches of many goroutines do not lose a count", batchRace},
		{"what is too large is refused", bounds},
		{"it is like a map, whatever is done to it", likeAMap},
		{"scopes do not see each other", scopesApart},
		{"after wiping every scope says so until begun", wipe},
		{"a cancelled context is honoured", cancelled},
		{"a closed store says so", closed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

func begin(t *testing.T, s viewstore.Store, name string) viewstore.Scope {
	t.Helper()
	scope := s.Scope(name)
	fresh, err := scope.Begin(t.Context())
	if err != nil || !fresh {
		t.Fatalf("Begin = %v, %v, want fresh", fresh, err)
	}
	return scope
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantIs(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func wantValue(t *testing.T, scope viewstore.Scope, key, want string) {
	t.Helper()
	got, err := scope.Get(t.Context(), key)
	if err != nil || got == nil || string(got) != want {
		t.Errorf("Get(%q) = %q, %v, want %q", key, got, err, want)
	}
}

func notBegun(t *testing.T, s viewstore.Store) {
	ctx, scope := t.Context(), s.Scope("a")
	_, err := scope.Get(ctx, "k")
	wantIs(t, "Get", err, viewstore.ErrWiped)
	wantIs(t, "Set", scope.Set(ctx, "k", nil, 0), viewstore.ErrWiped)
	wantIs(t, "Delete", scope.Delete(ctx, "k"), viewstore.ErrWiped)
	_, err = scope.Scan(ctx, "", "", 1)
	wantIs(t, "Scan", err, viewstore.ErrWiped)
	wantIs(t, "Apply", scope.Apply(ctx, &viewstore.Batch{}), viewstore.ErrWiped)
}

func beginTwice(t *testing.T, s viewstore.Store) {
	scope := begin(t, s, "a")
	must(t, scope.Set(t.Context(), "k", []byte("v"), 0))
	fresh, err := scope.Begin(t.Context())
	if fresh || err != nil {
		t.Errorf("second Begin = %v, %v, want false", fresh, err)
	}
	wantValue(t, scope, "k", "v")
}

func setGet(t *testing.T, s viewstore.Store) {
	ctx, scope := t.Context(), begin(t, s, "a")
	_, err := scope.Get(ctx, "k")
	wantIs(t, "Get of nothing", err, viewstore.ErrNotFound)
	for _, value := range []string{"", "one", "\x00\xff\r\n", "two"} {
		must(t, scope.Set(ctx, "k", []byte(value), 0))
		wantValue(t, scope, "k", value)
	}
	must(t, scope.Set(ctx, "\x00 odd \xff{}\n", []byte("odd"), 0))
	wantValue(t, scope, "\x00 odd \xff{}\n", "odd")
	must(t, scope.Delete(ctx, "k"))
	must(t, scope.Delete(ctx, "k"))
	_, err = scope.Get(ctx, "k")
	wantIs(t, "Get after Delete", err, viewstore.ErrNotFound)
}

// timeToLive waits for a real clock: a server's cannot be moved.
func timeToLive(t *testing.T, s viewstore.Store) {
	ctx, scope := t.Context(), begin(t, s, "a")
	must(t, scope.Set(ctx, "short", []byte("v"), 200*time.Millisecond))
	must(t, scope.Set(ctx, "renewed", []byte("v"), 200*time.Millisecond))
	must(t, scope.Set(ctx, "kept", []byte("v"), 200*time.Millisecond))
	must(t, scope.Set(ctx, "long", []byte("v"), time.Hour))
	must(t, scope.Set(ctx, "renewed", []byte("w"), time.Hour))
	must(t, scope.Set(ctx, "kept", []byte("w"), 0))
	deadline := time.After(10 * time.Second)
	for {
		_, err := scope.Get(ctx, "short")
		if errors.Is(err, viewstore.ErrNotFound) {
			break
		}
		must(t, err)
		select {
		case <-deadline:
			t.Fatal("the key was there 10 s after its end")
		case <-time.After(20 * time.Millisecond):
		}
	}
	check := func() {
		t.Helper()
		entries, err := scope.Scan(ctx, "", "", 10)
		must(t, err)
		want := []viewstore.Entry{{Key: "kept", Value: []byte("w")}, {Key: "long", Value: []byte("v")}, {Key: "renewed", Value: []byte("w")}}
		if diff := cmp.Diff(want, entries); diff != "" {
			t.Error("scan after the end (-want +got):\n" + diff)
		}
	}
	check()
	one, err := scope.Scan(ctx, "", "renewed", 1)
	if err != nil || len(one) != 0 {
		t.Errorf("scan over an expired key = %v, %v, want nothing", one, err)
	}
	// A batch clears what is over; the rest stays.
	var b viewstore.Batch
	b.Expect("short", nil)
	must(t, scope.Apply(ctx, &b))
	check()
}

func scan(t *testing.T, s viewstore.Store) {
	ctx, scope := t.Context(), begin(t, s, "a")
	var b viewstore.Batch
	for _, key := range []string{"b/3", "a", "b/1", "b", "c", "b/2", "b0"} {
		b.Set(key, []byte(key), 0)
	}
	must(t, scope.Apply(ctx, &b))
	for _, test := range []struct {
		prefix, after string
		limit         int
		want          []string
	}{
		{"", "", 10, []string{"a", "b", "b/1", "b/2", "b/3", "b0", "c"}},
		{"", "", 2, []string{"a", "b"}},
		{"", "b/2", 2, []string{"b/3", "b0"}},
		{"b/", "", 10, []string{"b/1", "b/2", "b/3"}},
		{"b/", "b/1", 1, []string{"b/2"}},
		{"b/", "b/15", 10, []string{"b/2", "b/3"}},
		{"b/", "a", 10, []string{"b/1", "b/2", "b/3"}},
		{"b/", "b/3", 10, nil},
		{"b/", "z", 10, nil},
		{"z", "", 10, nil},
		{"b", "b", 1, []string{"b/1"}},
	} {
		entries, err := scope.Scan(ctx, test.prefix, test.after, test.limit)
		must(t, err)
		var got []string
		for _, entry := range entries {
			got = append(got, entry.Key)
			if string(entry.Value) != entry.Key {
				t.Errorf("value of %q is %q", entry.Key, entry.Value)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("Scan(%q, %q, %d) (-want +got):\n%s", test.prefix, test.after, test.limit, diff)
		}
	}
}

func scanOddBytes(t *testing.T, s viewstore.Store) {
	ctx, scope := t.Context(), begin(t, s, "a")
	keys := []string{"\x00", "\x00\x00", "[", "(", "+", "-", "\xfe\xff", "\xff", "\xff\x00", "\xff\xff", "\xff\xff\xff"}
	for _, key := range keys {
		must(t, scope.Set(ctx, key, nil, 0))
	}
	for prefix, want := range map[string]int{"": 11, "\x00": 2, "\xff": 4, "\xff\xff": 2, "\xfe": 1, "\xfe\xff": 1, "(": 1, "[": 1, "+": 1, "-": 1} {
		entries, err := scope.Scan(ctx, prefix, "", 100)
		must(t, err)
		if len(entries) != want {
			t.Errorf("Scan(%q) found %d, want %d", prefix, len(entries), want)
		}
	}
}

func all(t *testing.T, s viewstore.Store) {
	ctx, scope := t.Context(), begin(t, s, "a")
	const count = 1_203
	var b viewstore.Batch
	for i := range count {
		b.Set(fmt.Sprintf("k%05d", i), nil, 0)
	}
	b.Set("l", nil, 0)
	must(t, scope.Apply(ctx, &b))
	seen := 0
	must(t, viewstore.All(ctx, scope, "k", func(e viewstore.Entry) error {
		if want := fmt.Sprintf("k%05d", seen); e.Key != want {
			t.Fatalf("entry %d is %q, want %q", seen, e.Key, want)
		}
		seen++
		return nil
	}))
	if seen != count {
		t.Errorf("saw %d entries, want %d", seen, count)
	}
	stop := errors.New("stop")
	wantIs(t, "All", viewstore.All(ctx, scope, "", func(viewstore.Entry) error { return stop }), stop)
}

func scopesApart(t *testing.T, s viewstore.Store) {
	ctx, one, two := t.Context(), begin(t, s, "a"), begin(t, s, "a/b")
	must(t, one.Set(ctx, "k", []byte("1"), 0))
	must(t, two.Set(ctx, "k", []byte("2"), 0))
	must(t, two.Set(ctx, "l", []byte("2"), 0))
	wantValue(t, one, "k", "1")
	wantValue(t, two, "k", "2")
	entries, err := one.Scan(ctx, "", "", 10)
	if err != nil || len(entries) != 1 {
		t.Errorf("scope a has %v, %v, want one entry", entries, err)
	}
	wantValue(t, s.Scope("a"), "k", "1")
}

func wipe(t *testing.T, s viewstore.Store) {
	ctx, one, two := t.Context(), begin(t, s, "a"), begin(t, s, "b")
	must(t, one.Set(ctx, "k", []byte("1"), time.Hour))
	must(t, two.Set(ctx, "k", []byte("2"), 0))
	must(t, s.Wipe(ctx))
	for _, scope := range []viewstore.Scope{one, two} {
		_, err := scope.Get(ctx, "k")
		wantIs(t, "Get", err, viewstore.ErrWiped)
		wantIs(t, "Set", scope.Set(ctx, "k", nil, 0), viewstore.ErrWiped)
		_, err = scope.Scan(ctx, "", "", 10)
		wantIs(t, "Scan", err, viewstore.ErrWiped)
	}
	one = begin(t, s, "a")
	_, err := one.Get(ctx, "k")
	wantIs(t, "Get after beginning again", err, viewstore.ErrNotFound)
	_, err = two.Get(ctx, "k")
	wantIs(t, "Get of the other scope", err, viewstore.ErrWiped)
}

func cancelled(t *testing.T, s viewstore.Store) {
	scope := begin(t, s, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := scope.Get(ctx, "k")
	wantIs(t, "Get", err, context.Canceled)
	wantIs(t, "Set", scope.Set(ctx, "k", nil, 0), context.Canceled)
	_, err = scope.Scan(ctx, "", "", 1)
	wantIs(t, "Scan", err, context.Canceled)
	wantIs(t, "Wipe", s.Wipe(ctx), context.Canceled)
	_, err = scope.Get(t.Context(), "k")
	wantIs(t, "Get after all that", err, viewstore.ErrNotFound)
}

func closed(t *testing.T, s viewstore.Store) {
	scope := begin(t, s, "a")
	must(t, s.Close())
	must(t, s.Close())
	_, err := scope.Get(t.Context(), "k")
	wantIs(t, "Get", err, viewstore.ErrUnavailable)
	_, err = scope.Begin(t.Context())
	wantIs(t, "Begin", err, viewstore.ErrUnavailable)
	wantIs(t, "Wipe", s.Wipe(t.Context()), viewstore.ErrUnavailable)
}
