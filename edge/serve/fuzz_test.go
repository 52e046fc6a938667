package serve

import (
	"strings"
	"testing"
)

func FuzzRanges(f *testing.F) {
	for _, seed := range []string{"bytes=0-", "bytes=-5", "bytes=1-2,3-4", "bytes=9-1", "bytes=99999999999999999999-", "x"} {
		f.Add(seed, int64(10))
	}
	f.Fuzz(func(t *testing.T, field string, size int64) {
		if size < 0 {
			return
		}
		list, ok := parseRanges(field, size)
		if !ok && list != nil || len(list) > maxRanges {
			t.Fatalf("%d ranges, %t", len(list), ok)
		}
		for _, b := range list {
			if b.from < 0 || b.from >= b.to || b.to > size {
				t.Fatalf("%q of %d bytes: %d to %d", field, size, b.from, b.to)
			}
		}
	})
}

func FuzzEntityTags(f *testing.F) {
	for _, seed := range []string{`"a"`, `W/"a", "b"`, `*`, `"a,b"`, `"`, `W/`, `,,`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		matches([]string{list}, `"cid"`, true)
		if tag, rest := nextTag(list); len(tag)+len(rest) > len(list) {
			t.Fatalf("%q: %q and %q", list, tag, rest)
		}
		if !matches([]string{list + `,"cid"`}, `"cid"`, false) && strings.Count(list, `"`)%2 == 0 && !strings.Contains(list, "W/") && !strings.Contains(list, `"`) {
			t.Fatalf("%q hides what follows", list)
		}
	})
}

func FuzzParameter(f *testing.F) {
	f.Add("a=b&t=x&c", "t")
	f.Fuzz(func(t *testing.T, query, name string) {
		if value := parameter(query, name); value != "" && !strings.Contains(query, name+"="+value) {
			t.Fatalf("%q: %q", query, value)
		}
	})
}
