package viewstoretest

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stratos-mesh/stratos/meta/viewstore"
)

func batchExpect(t *testing.T, s viewstore.Store) {
	ctx, scope := t.Context(), begin(t, s, "a")
	var first viewstore.Batch
	first.Expect("height", nil)
	first.Set("height", []byte("1"), 0)
	first.Set("gone", []byte("x"), 0)
	must(t, scope.Apply(ctx, &first))
	wantIs(t, "the same again", scope.Apply(ctx, &first), viewstore.ErrConflict)

	var second viewstore.Batch
	second.Set("half", []byte("x"), 0)
	second.Delete("gone")
	second.Expect("height", []byte("2"))
	wantIs(t, "another value", scope.Apply(ctx, &second), viewstore.ErrConflict)
	wantValue(t, scope, "gone", "x")
	_, err := scope.Get(ctx, "half")
	wantIs(t, "Get of half a batch", err, viewstore.ErrNotFound)

	var third viewstore.Batch
	third.Expect("height", []byte("1"))
	third.Set("height", []byte(""), 0)
	third.Delete("gone")
	third.Set("again", []byte("1"), 0)
	third.Set("again", []byte("2"), 0)
	third.Delete("never")
	must(t, scope.Apply(ctx, &third))
	wantValue(t, scope, "again", "2")
	_, err = scope.Get(ctx, "gone")
	wantIs(t, "Get of what the batch deleted", err, viewstore.ErrNotFound)

	// An empty value is not an absent one.
	var fourth viewstore.Batch
	fourth.Expect("height", nil)
	wantIs(t, "expecting nothing of an empty value", scope.Apply(ctx, &fourth), viewstore.ErrConflict)
	var fifth viewstore.Batch
	fifth.Expect("gone", []byte{})
	wantIs(t, "expecting an empty value of nothing", scope.Apply(ctx, &fifth), viewstore.ErrConflict)
}

func batchRace(t *testing.T, s viewstore.Store) {
	ctx, scope := t.Context(), begin(t, s, "a")
	must(t, scope.Set(ctx, "n", []byte("0"), 0))
	const goroutines, each = 8, 25
	var group sync.WaitGroup
	for range goroutines {
		group.Go(func() {
			for done := 0; done < each; {
				old, err := scope.Get(ctx, "n")
				if err != nil {
					t.Error(err)
					return
				}
				n, _ := strconv.Atoi(string(old))
				var b viewstore.Batch
				b.Expect("n", old)
				b.Set("n", []byte(strconv.Itoa(n+1)), 0)
				switch err := scope.Apply(ctx, &b); {
				case err == nil:
					done++
				case !errors.Is(err, viewstore.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	wantValue(t, scope, "n", strconv.Itoa(goroutines*each))
}

func bounds(t *testing.T, s viewstore.Store) {
	ctx, scope := t.Context(), begin(t, s, "a")
	long := strings.Repeat("k", viewstore.MaxKey)
	must(t, scope.Set(ctx, long, make([]byte, viewstore.MaxValue), 0))
	got, err := scope.Get(ctx, long)
	if err != nil || len(got) != viewstore.MaxValue {
		t.Errorf("largest value came back with %d bytes, %v", len(got), err)
	}
	_, err = scope.Get(ctx, "")
	wantIs(t, "empty key", err, viewstore.ErrInvalid)
	wantIs(t, "long key", scope.Set(ctx, long+"k", nil, 0), viewstore.ErrInvalid)
	wantIs(t, "large value", scope.Set(ctx, "k", make([]byte, viewstore.MaxValue+1), 0), viewstore.ErrInvalid)
	for _, limit := range []int{-1, 0, viewstore.MaxScan + 1} {
		_, err = scope.Scan(ctx, "", "", limit)
		wantIs(t, "limit "+strconv.Itoa(limit), err, viewstore.ErrInvalid)
	}
	var b viewstore.Batch
	for i := range viewstore.MaxBatch + 1 {
		b.Set(strconv.Itoa(i), nil, 0)
	}
	wantIs(t, "large batch", scope.Apply(ctx, &b), viewstore.ErrInvalid)

	var most viewstore.Batch
	for i := range viewstore.MaxBatch {
		most.Set("m"+strconv.Itoa(i), []byte{byte(i)}, 0)
	}
	must(t, scope.Apply(ctx, &most))
	entries, err := scope.Scan(ctx, "m", "", viewstore.MaxScan)
	if err != nil || len(entries) != viewstore.MaxBatch {
		t.Errorf("scan of the largest batch found %d, %v, want %d", len(entries), err, viewstore.MaxBatch)
	}

	var heavy viewstore.Batch
	for i := 0; !heavy.Full(); i++ {
		heavy.Set(strconv.Itoa(i), make([]byte, viewstore.MaxValue), 0)
	}
	heavy.Set("last", make([]byte, viewstore.MaxValue), 0)
	must(t, scope.Apply(ctx, &heavy))
}
