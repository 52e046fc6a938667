package viewstoretest

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta/viewstore"
)

// likeAMap does the same at random to a scope and to a map, and compares every
// answer. Keys are short and of odd bytes, so that prefixes meet.
func likeAMap(t *testing.T, s viewstore.Store) {
	ctx, scope := t.Context(), begin(t, s, "model")
	random := rand.New(rand.NewPCG(11, 12))
	model := map[string]string{}
	alphabet := "\x00\x01/[(+-\x7fa\xfe\xff"
	word := func(most int) string {
		var out []byte
		for range random.IntN(most + 1) {
			out = append(out, alphabet[random.IntN(len(alphabet))])
		}
		return string(out)
	}
	key := func() string { return word(2) + string(alphabet[random.IntN(len(alphabet))]) }

	for range 400 {
		var b viewstore.Batch
		next, fits := maps.Clone(model), true
		for range random.IntN(6) {
			k, v := key(), word(3)
			switch random.IntN(5) {
			case 0, 1, 2:
				b.Set(k, []byte(v), 0)
				next[k] = v
			case 3:
				b.Delete(k)
				delete(next, k)
			case 4:
				// What a batch expects is of before the batch.
				had, there := model[k]
				if random.IntN(4) > 0 {
					if there {
						b.Expect(k, []byte(had))
					} else {
						b.Expect(k, nil)
					}
				} else {
					b.Expect(k, []byte(had+"x"))
					fits = false
				}
			}
		}
		err := scope.Apply(ctx, &b)
		switch {
		case fits && err != nil, !fits && !errors.Is(err, viewstore.ErrConflict):
			t.Fatalf("Apply: %v, fits: %v", err, fits)
		case fits:
			model = next
		}

		k := key()
		got, err := scope.Get(ctx, k)
		if want, there := model[k]; there != (err == nil) || string(got) != want {
			t.Fatalf("Get(%q) = %q, %v, want %q, %v", k, got, err, want, there)
		}

		prefix, after, limit := word(2), word(3), 1+random.IntN(20)
		entries, err := scope.Scan(ctx, prefix, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		var want []viewstore.Entry
		for _, k := range slices.Sorted(maps.Keys(model)) {
			if strings.HasPrefix(k, prefix) && (after == "" || k > after) && len(want) < limit {
				want = append(want, viewstore.Entry{Key: k, Value: []byte(model[k])})
			}
		}
		if diff := cmp.Diff(want, entries); diff != "" {
			t.Fatalf("Scan(%q, %q, %d) (-want +got):\n%s", prefix, after, limit, diff)
		}
	}
}
