package origin

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// bad tells whether an error is the client's: a refusal with a status of 4xx.
func bad(err error) bool { return err != nil && problem(err).HTTPStatus()/100 == 4 }

func FuzzDigests(f *testing.F) {
	for _, seed := range []string{"", "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:", "sha-512=:AA==:, md5=x", "sha-256", "=,=,,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		w, err := parseDigests(http.Header{"Content-Digest": {field}})
		if err != nil && !bad(err) {
			t.Errorf("%q: %v", field, err)
		}
		if err == nil && len(w.sha256)+len(w.sha512) > strings.Count(field, ",")+1 {
			t.Errorf("%q: %d digests", field, len(w.sha256)+len(w.sha512))
		}
	})
}

func FuzzChecksum(f *testing.F) {
	for _, seed := range []string{"", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "sha256", "md5 AAAA", "sha1  "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		c, err := parseChecksum(field)
		switch {
		case err != nil && !bad(err):
			t.Errorf("%q: %v", field, err)
		case err == nil && field != "" && len(c.want) != c.hash.Size():
			t.Errorf("%q: %d bytes of digest", field, len(c.want))
		}
	})
}

func FuzzConditions(f *testing.F) {
	f.Add("*", `"a"`)
	f.Fuzz(func(t *testing.T, match, noneMatch string) {
		c := conditions{match: match, noneMatch: noneMatch}
		if err := c.hold(nil); err != nil && !bad(err) {
			t.Error(err)
		}
	})
}

// FuzzUploadState: a damaged state file is an error, never a panic or an upload
// of another id.
func FuzzUploadState(f *testing.F) {
	const id = "00000000000000000000000000000000"
	f.Add([]byte(`{"version":1,"id":"` + id + `","size":5,"tally":{"blocks":0}}` + "\nrest"))
	f.Add([]byte("{}\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		u := &uploads{dir: t.TempDir()}
		if err := os.Mkdir(u.folder(id), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(u.state(id), text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := u.loadWhole(id)
		if err == nil && s.ID != id {
			t.Errorf("read an upload of id %q", s.ID)
		}
	})
}

// FuzzLog: whatever a crash leaves behind whole lines is cut off, and what is
// added then is read back.
func FuzzLog(f *testing.F) {
	f.Add([]byte("one\ntwo\nhal"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		read := func() (lines []string) {
			l, err := openLog(path, func(line []byte) { lines = append(lines, string(line)) })
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			if err := l.add([]byte("new\n"))(t.Context()); err != nil {
				t.Fatal(err)
			}
			return lines
		}
		first := read()
		if second := read(); !slices.Equal(second, append(first, "new\n")) {
			t.Errorf("got %q, want %q and a new line", second, first)
		}
	})
}

func TestALedgerSurvivesHalfALine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	l, err := openLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	l.published("demo/a", "k", 10)
	l.published("demo/b", "k", 20)
	l.published("demo/a", "other", 5)
	l.renamed("demo/b", "demo/c")
	l.close()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.WriteString(`{"name":"demo/d","key`)
	file.Close()
	if l, err = openLedger(path); err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if l.keys["k"] != 20 || l.keys["other"] != 5 || l.namespaces["demo"] != 25 {
		t.Errorf("keys %v, namespaces %v", l.keys, l.namespaces)
	}
	for i := range int64(ledgerSlack + 100) {
		l.published("demo/a", "other", i%2*5) // ends with 5
	}
	if text, err := os.ReadFile(path); err != nil || strings.Count(string(text), "\n") > 200 {
		t.Errorf("the log has %d lines for two names, error %v", strings.Count(string(text), "\n"), err)
	}
	room, err := l.reserve("k", 30, "demo", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := room.grow(1); !bad(err) {
		t.Errorf("one byte more than the quota: %v", err)
	}
	room.release()
	if _, err := l.reserve("k", 30, "demo", 26, 2); !bad(err) {
		t.Errorf("more than the namespace has: %v", err)
	}
}

func TestALockIsHadByOneAtATime(t *testing.T) {
	t.Parallel()
	var l keyedLock
	unlock, err := l.lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if other, err := l.lock(t.Context(), "b"); err != nil {
		t.Fatal(err)
	} else {
		other()
	}
	got := make(chan struct{})
	go func() {
		second, err := l.lock(t.Context(), "a")
		if err != nil {
			t.Error(err)
			return
		}
		close(got)
		second()
	}()
	select {
	case <-got:
		t.Error("two have the lock")
	default:
	}
	unlock()
	<-got
	if last, err := l.lock(t.Context(), "a"); err != nil {
		t.Error(err)
	} else {
		last()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.held) > 0 {
		t.Errorf("%d locks are remembered", len(l.held))
	}
}
