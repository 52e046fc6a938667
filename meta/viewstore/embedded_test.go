package viewstore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/meta/viewstore/viewstoretest"
)

func openEmbedded(t *testing.T, config viewstore.Config) *viewstore.Embedded {
	t.Helper()
	s, err := viewstore.OpenEmbedded(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	viewstoretest.Run(t, func(t *testing.T) viewstore.Store {
		return openEmbedded(t, viewstore.Config{Dir: t.TempDir()})
	})
}

func TestEmbeddedSurvivesClosing(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	s := openEmbedded(t, viewstore.Config{Dir: dir})
	scope := s.Scope("a")
	if fresh, err := scope.Begin(ctx); !fresh || err != nil {
		t.Fatal(fresh, err)
	}
	if err := scope.Set(ctx, "k", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := viewstore.Open(dir); err == nil {
		t.Error("a second opener was let in")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	scope = openEmbedded(t, viewstore.Config{Dir: dir}).Scope("a")
	if fresh, err := scope.Begin(ctx); fresh || err != nil {
		t.Fatalf("Begin after reopening = %v, %v", fresh, err)
	}
	if got, err := scope.Get(ctx, "k"); string(got) != "v" || err != nil {
		t.Errorf("Get after reopening = %q, %v", got, err)
	}
}

func TestEmbeddedDamageStartsEmpty(t *testing.T) {
	t.Parallel()
	for _, damage := range []string{"MANIFEST-*", "*.sst"} {
		t.Run(damage, func(t *testing.T) {
			t.Parallel()
			dir, ctx := t.TempDir(), t.Context()
			s := openEmbedded(t, viewstore.Config{Dir: dir})
			scope := s.Scope("a")
			if _, err := scope.Begin(ctx); err != nil {
				t.Fatal(err)
			}
			for i := range 20 { // more than one memory table, so that tables are written
				if err := scope.Set(ctx, fmt.Sprint(i), make([]byte, 1<<20), 0); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			files, _ := filepath.Glob(filepath.Join(dir, damage))
			if len(files) == 0 {
				t.Fatal("nothing to damage")
			}
			for _, file := range files {
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
			}
			scope = openEmbedded(t, viewstore.Config{Dir: dir}).Scope("a")
			if fresh, err := scope.Begin(ctx); !fresh || err != nil {
				t.Errorf("Begin of a damaged store = %v, %v, want fresh", fresh, err)
			}
		})
	}
}

func TestEmbeddedExpiryByClock(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Unix(1_800_000_000, 0)
	s := openEmbedded(t, viewstore.Config{Dir: t.TempDir(), Now: func() time.Time { return now }})
	scope := s.Scope("a")
	if _, err := scope.Begin(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 250 {
		if err := scope.Set(ctx, fmt.Sprint(i), nil, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Minute - time.Millisecond)
	if _, err := scope.Get(ctx, "7"); err != nil {
		t.Errorf("a millisecond before the end: %v", err)
	}
	now = now.Add(time.Millisecond)
	if _, err := scope.Get(ctx, "7"); !errors.Is(err, viewstore.ErrNotFound) {
		t.Errorf("at the end: %v", err)
	}
	for range 3 { // each batch clears some
		if err := scope.Delete(ctx, "none"); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(-time.Hour) // were they still there, they would show again
	if entries, err := scope.Scan(ctx, "", "", 1000); err != nil || len(entries) != 0 {
		t.Errorf("%d expired keys were not cleared, %v", len(entries), err)
	}
}
