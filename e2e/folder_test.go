package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAFolderOfSixThousandFilesHasTheRootItsFilesHave(t *testing.T) {
	n := start(t, "--edges", "3")
	files := map[string][]byte{}
	for i := range 6000 {
		// All in one folder: from some thousand entries on it is sharded.
		files[fmt.Sprintf("many/file %04d.txt", i)] = fmt.Appendf(nil, "content of file %d\n", i)
	}
	files["index.html"] = []byte("<h1>many</h1>")
	dir := folder(t, files)
	began := time.Now()
	n.stratos("put", dir, "six/thousand")
	took := time.Since(began)
	t.Logf("6,000 files published in %s, %.0f a second", took.Round(10*time.Millisecond), 6000/took.Seconds())

	var stat struct {
		Root, Kind string
		Objects    int
	}
	if err := json.Unmarshal([]byte(n.stratos("stat", "six/thousand", "--json")), &stat); err != nil {
		t.Fatal(err)
	}
	root, _, _ := strings.Cut(strings.TrimSpace(n.stratos("root", dir)), " ")
	if stat.Root != root || stat.Kind != "bundle" || stat.Objects != len(files) {
		t.Errorf("the network has %+v; the folder has the root %s and %d files", stat, root, len(files))
	}
	for _, path := range []string{"index.html", "many/file 0000.txt", "many/file 2999.txt", "many/file 5999.txt"} {
		if got := n.fetch("six/thousand/"+strings.ReplaceAll(path, " ", "%20"), 10*time.Second); !bytes.Equal(got, files[path]) {
			t.Errorf("%s: got %q, want %q", path, got, files[path])
		}
	}
}
