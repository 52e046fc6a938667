package meta_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", sds.MaxComponent)
	for _, test := range []struct{ why, in, want string }{
		{"a plain name", "acme/talk.mp4", "acme/talk.mp4"},
		{"the shortest namespace", "a1b/x", "a1b/x"},
		{"the longest namespace", strings.Repeat("n", 63) + "/x", strings.Repeat("n", 63) + "/x"},
		{"spaces, dots and signs inside", "acme/a b/..c/%41?#", "acme/a b/..c/%41?#"},
		{"an encoded slash", "acme/a%2Fb", ""},
		{"an encoded slash in small letters", "acme/a%2fb", ""},
		{"a component as long as may be", "acme/" + long, "acme/" + long},
		{"another Unicode form becomes NFC", "acme/u\u0308ber", "acme/\u00fcber"},
		{"no path", "acme", ""},
		{"an empty path", "acme/", ""},
		{"an empty component", "acme/a//b", ""},
		{"a slash at the end", "acme/a/", ""},
		{"a dot", "acme/./b", ""},
		{"two dots", "acme/a/..", ""},
		{"a control character", "acme/a\nb", ""},
		{"delete", "acme/a\x7f", ""},
		{"a control character of the second kind", "acme/a\u0085", ""},
		{"not UTF-8", "acme/\xff", ""},
		{"a component too long", "acme/" + long + "x", ""},
		{"a name too long", "acme/" + strings.Repeat(long+"/", 4) + "x", ""},
		{"a thousand slashes", "acme/" + strings.Repeat("x/", 10_000) + "x", ""},
		{"a namespace too short", "ab/x", ""},
		{"a namespace too long", strings.Repeat("n", 64) + "/x", ""},
		{"a namespace with a capital", "Acme/x", ""},
		{"a namespace that begins with a hyphen", "-acme/x", ""},
		{"a reserved namespace", "slices/x", ""},
		{"nothing", "", ""},
	} {
		t.Run(test.why, func(t *testing.T) {
			t.Parallel()
			got, err := meta.ParseName(test.in)
			if string(got) != test.want || (err != nil) != (test.want == "") {
				t.Errorf("ParseName(%.60q) = %.60q, %v; want %.60q", test.in, got, err, test.want)
			}
			if err != nil && !errors.Is(err, meta.ErrInvalid) {
				t.Errorf("%v is not ErrInvalid", err)
			}
		})
	}
}

func TestAncestorsAreTheNamesAbove(t *testing.T) {
	t.Parallel()
	got := meta.Name("acme/a/b/c").Ancestors()
	if want := []meta.Name{"acme/a", "acme/a/b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := meta.Name("acme/a").Ancestors(); len(got) != 0 {
		t.Errorf("got %q, want none", got)
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("acme/talk.mp4")
	f.Add("acme/u\u0308")
	f.Fuzz(func(t *testing.T, text string) {
		name, err := meta.ParseName(text)
		if err != nil {
			return
		}
		again, err := meta.ParseName(string(name))
		if err != nil || again != name {
			t.Fatalf("%q parses to %q, and that to %q, %v", text, name, again, err)
		}
		if len(name) > meta.MaxName || !utf8.ValidString(string(name)) || strings.Contains(string(name)+"/", "//") {
			t.Fatalf("%q is a name", name)
		}
		if name.Namespace()+"/"+name.Path() != string(name) {
			t.Fatalf("%q is %q and %q", name, name.Namespace(), name.Path())
		}
	})
}
