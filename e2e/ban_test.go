package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// statuses asks every region for paths until they answer as wanted.
func (n *network) statuses(patience time.Duration, want map[string]int) {
	n.t.Helper()
	began := time.Now()
	for path, status := range want {
		for i := range n.Edges {
			from := fmt.Sprintf("198.18.%d.9", i)
			eventually(n.t, patience-time.Since(began), path+" from "+from, func() error {
				resp := n.ask(path, from)
				if resp.StatusCode != status || status >= 400 && resp.Header.Get("Cache-Control") != "no-store" {
					return fmt.Errorf("%s, Cache-Control %q, by %s; want %d", resp.Status, resp.Header.Get("Cache-Control"), resp.Request.URL.Host, status)
				}
				return nil
			})
		}
	}
}

// ask gets the first bytes of a path, following redirects.
func (n *network) ask(path, address string) *http.Response {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, n.Router+"/"+path, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", address)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func TestABannedFilmIsRefusedInEveryFolderUntilTheBanIsTakenBack(t *testing.T) {
	n := start(t, "--edges", "5")
	film, note := content(80, 3<<20), content(81, 4<<10)
	first := folder(t, map[string][]byte{"film.bin": film, "note.txt": note})
	n.stratos("put", first, "ban/first")
	n.stratos("put", folder(t, map[string][]byte{"deep/other-name.bin": film, "note.txt": note, "own.bin": content(82, 1<<20)}), "other/wrapped")
	n.stratos("put", folderFile(t, "alone.bin", film), "third/alone.bin")

	served := map[string]int{
		"ban/first/film.bin": 200, "ban/first/note.txt": 200, "other/wrapped/deep/other-name.bin": 200,
		"other/wrapped/note.txt": 200, "other/wrapped/own.bin": 200, "third/alone.bin": 200,
	}
	n.statuses(15*time.Second, served)
	root := strings.TrimSpace(n.stratos("root", first))

	if out := n.stratos("ban", "ban/first", "--dry-run"); !strings.Contains(out, root) || !strings.Contains(out, "1 of them") {
		t.Errorf("dry run says %q, want the root and one file above 64 KiB", out)
	}
	n.statuses(5*time.Second, served)
	if _, errOut, err := n.try("ban", "ban/first", "--reason", "court order"); err == nil || !strings.Contains(errOut, "--yes") {
		t.Errorf("without a terminal and --yes: %v, %q", err, errOut)
	}

	began := time.Now()
	n.stratos("ban", "ban/first", "--reason", "court order", "--yes")
	n.statuses(15*time.Second, map[string]int{
		"ban/first/film.bin": 451, "ban/first/note.txt": 451, "other/wrapped/deep/other-name.bin": 451,
		"other/wrapped/note.txt": 200, "other/wrapped/own.bin": 200, "third/alone.bin": 451,
	})
	t.Logf("banned on all edges %s after the command began", time.Since(began).Round(time.Millisecond))
	if _, errOut, err := n.try("put", folder(t, map[string][]byte{"again.bin": film}), "fourth/again"); err == nil {
		t.Error("the banned film was published once more")
	} else {
		t.Logf("publishing it once more: %s", strings.TrimSpace(errOut))
	}
	var listed struct{ Root, Name, Reason string }
	if err := json.Unmarshal([]byte(n.stratos("bans", "--json")), &listed); err != nil || listed.Root != root || listed.Name != "ban/first" || listed.Reason != "court order" {
		t.Errorf("bans lists %+v, %v", listed, err)
	}
	if _, errOut, err := n.try("ban", "ban/first", "--reason", "again", "--yes"); err == nil || !strings.Contains(errOut, "unban") {
		t.Errorf("banned twice: %v, %q", err, errOut)
	}

	n.stratos("unban", root)
	n.statuses(15*time.Second, served)
	if out := n.stratos("bans", "--json"); out != "" {
		t.Errorf("after it was taken back, bans lists %s", out)
	}
	if _, errOut, err := n.try("unban", root); err == nil || !strings.Contains(errOut, "stratos bans") {
		t.Errorf("taken back twice: %v, %q", err, errOut)
	}
}

func TestWhatOneOwnerRemovesAtOnceAnotherGoesOnServing(t *testing.T) {
	n := start(t, "--edges", "3")
	page, icon := content(83, 200_000), content(84, 5_000)
	files := map[string][]byte{"page.bin": page, "icon.bin": icon}
	n.stratos("put", folder(t, files), "mine/site")
	n.stratos("put", folder(t, files), "twin/site")
	n.stratos("put", folderFile(t, "icon.bin", icon), "mine/icon.bin")
	n.statuses(15*time.Second, map[string]int{"mine/site/page.bin": 200, "twin/site/page.bin": 200, "twin/site/icon.bin": 200, "mine/icon.bin": 200})

	n.stratos("rm", "--now", "mine/site")
	n.stratos("rm", "--now", "mine/icon.bin")
	removed := map[string]int{"mine/site/page.bin": 410, "mine/icon.bin": 410, "twin/site/page.bin": 200, "twin/site/icon.bin": 200}
	n.statuses(15*time.Second, removed)
	// And still when every edge has followed the orders.
	for i := range n.Edges {
		address := n.ticketed("twin/site/icon.bin", fmt.Sprintf("198.18.%d.9", i))
		if status := getStatus(t, address); status != http.StatusOK {
			t.Errorf("%s: %d, want 200", address, status)
		}
	}
	n.stratos("rm", "--now", "twin/site")
	n.statuses(15*time.Second, map[string]int{"twin/site/page.bin": 410, "twin/site/icon.bin": 410})
}
