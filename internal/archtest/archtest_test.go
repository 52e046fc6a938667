package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestRoomsImportOnlyWhatTheTableAllows(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if broken := breaks(p.ImportPath, path); broken != "" {
				t.Error(broken)
			}
		}
	}
}

func TestTheTableCatchesWhoBreaksIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from, to string
		broken   bool
	}{
		"a room may import itself":                 {"sds/disk", Module + "/sds", false},
		"sds may not know meta":                    {"sds", Module + "/meta", true},
		"edge may use meta's RPC":                  {"edge", Module + "/meta/metahttp", false},
		"edge may not know origin":                 {"edge", Module + "/origin", true},
		"a name that only begins alike is another": {"edge", Module + "/metadata", true},
		"Caddy stays out of router":                {"router", "github.com/caddyserver/caddy/v2", true},
		"Caddy is welcome in a plugin":             {"plugins/router", "github.com/caddyserver/caddy/v2", false},
		"a folder that no room owns is refused":    {"util", "fmt", true},
		"the whole is seen by e2e":                 {"e2e", Module + "/plugins/meta", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := breaks(Module+"/"+c.from, c.to) != ""; got != c.broken {
				t.Errorf("breaks(%s, %s) = %v, want %v", c.from, c.to, got, c.broken)
			}
		})
	}
}

// breaks says in a sentence which rule the import of path by pkg breaks, or
// nothing.
func breaks(pkg, path string) string {
	from := strings.TrimPrefix(strings.TrimPrefix(pkg, Module), "/")
	room, ok := owner(from)
	if !ok {
		return pkg + " belongs to no room: add it to archtest's table and docs/architecture.md, or move it"
	}
	for prefix, allowed := range Heavy {
		if strings.HasPrefix(path, prefix) && !slices.ContainsFunc(allowed, func(a string) bool { return within(from, a) }) {
			return pkg + " imports " + path + ", which only " + strings.Join(allowed, ", ") + " may"
		}
	}
	to, ours := strings.CutPrefix(path, Module+"/")
	if !ours || within(to, room.Path) || slices.ContainsFunc(room.May, func(m string) bool { return m == "" || within(to, m) }) {
		return ""
	}
	return pkg + " imports " + to + ", which room " + room.Path + " may not"
}

func owner(path string) (Room, bool) {
	var best Room
	found := false
	for _, r := range Rooms {
		if within(path, r.Path) && len(r.Path) >= len(best.Path) {
			best, found = r, true
		}
	}
	return best, found
}

func within(path, prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }

type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list's output: %v", err)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("go list named %d packages, want the whole module", len(all))
	}
	return all
}
