package origin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
)

// ledger knows what each name published here weighs, and so how much every key
// and namespace has. It is a log of JSON lines, rewritten when it is opened and
// when most of its lines are old. It is written but not synced: a quota may be a
// little off after a power failure.
type ledger struct {
	path string

	mu         sync.Mutex // guards following
	file       *os.File
	lines      int // in file
	names      map[string]entry
	keys       map[string]int64
	namespaces map[string]int64
	// reserved bytes of uploads under way, by the same keys and namespaces
	keysReserved, namespacesReserved map[string]int64
}

// ledgerSlack is how many old lines are not worth a rewrite.
const ledgerSlack = 10_000

// entry is a line of the log: a name's weight, or its removal when Key is empty.
type entry struct {
	Name string `json:"name"`
	Key  string `json:"key,omitempty"`
	Size int64  `json:"size,omitempty"`
}

func openLedger(path string) (*ledger, error) {
	l := &ledger{
		path: path, names: map[string]entry{}, keys: map[string]int64{}, namespaces: map[string]int64{},
		keysReserved: map[string]int64{}, namespacesReserved: map[string]int64{},
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("origin: ledger: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 64<<10)
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Name != "" { // a crash may leave half a line
			l.apply(e)
		}
	}
	return l, l.rewrite()
}

// rewrite replaces the log by one with a line for each name; mu is held, or
// nobody else is there yet.
func (l *ledger) rewrite() error {
	var whole bytes.Buffer
	for _, e := range l.names {
		whole.Write(line(e))
	}
	if err := writeFile(l.path, whole.Bytes()); err != nil {
		return fmt.Errorf("origin: ledger: %w", err)
	}
	file, err := os.OpenFile(l.path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("origin: ledger: %w", err)
	}
	if l.file != nil {
		_ = l.file.Close() // nothing in it counts any more
	}
	l.file, l.lines = file, len(l.names)
	return nil
}

func line(e entry) []byte {
	text, _ := json.Marshal(e) // strings and numbers: cannot fail
	return append(text, '\n')
}

func (l *ledger) close() { _ = l.file.Close() }

// apply counts an entry; mu is held, or nobody else is there yet.
func (l *ledger) apply(e entry) {
	namespace, _, _ := strings.Cut(e.Name, "/")
	if old, ok := l.names[e.Name]; ok {
		l.keys[old.Key] -= old.Size
		l.namespaces[namespace] -= old.Size
		delete(l.names, e.Name)
	}
	if e.Key != "" {
		l.names[e.Name] = e
		l.keys[e.Key] += e.Size
		l.namespaces[namespace] += e.Size
	}
}

func (l *ledger) record(entries ...entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		l.apply(e)
		_, _ = l.file.Write(line(e)) // a full disk costs accuracy, not an upload that is published
		l.lines++
	}
	if l.lines > 2*len(l.names)+ledgerSlack {
		_ = l.rewrite() // the old log goes on
	}
}

func (l *ledger) published(name meta.Name, key string, size int64) {
	l.record(entry{Name: string(name), Key: key, Size: size})
}

func (l *ledger) removed(name meta.Name) { l.record(entry{Name: string(name)}) }

func (l *ledger) renamed(from, to meta.Name) {
	l.mu.Lock()
	e, ok := l.names[string(from)]
	l.mu.Unlock()
	if ok {
		l.record(entry{Name: string(from)}, entry{Name: string(to), Key: e.Key, Size: e.Size})
	}
}

// reservation is room for an upload under way.
type reservation struct {
	ledger         *ledger
	key, namespace string
	keyLimit       int64
	namespaceLimit int64
	bytes          int64
}

// reserve opens a reservation of n bytes. What a name of that key has already
// still counts until the new version replaces it.
func (l *ledger) reserve(key string, keyLimit int64, namespace string, namespaceLimit, n int64) (*reservation, error) {
	r := &reservation{ledger: l, key: key, keyLimit: keyLimit, namespace: namespace, namespaceLimit: namespaceLimit}
	return r, r.grow(n)
}

// grow takes more room, or refuses when a quota does not have it.
func (r *reservation) grow(n int64) error {
	l := r.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range []struct {
		what  string
		used  int64
		limit int64
	}{
		{"API key", l.keys[r.key] + l.keysReserved[r.key], r.keyLimit},
		{"namespace " + r.namespace, l.namespaces[r.namespace] + l.namespacesReserved[r.namespace], r.namespaceLimit},
	} {
		if q.limit > 0 && q.used+n > q.limit {
			return httperr.New(http.StatusRequestEntityTooLarge, "quota",
				fmt.Sprintf("the quota of this %s is %d bytes, %d are used, %d more do not fit", q.what, q.limit, q.used, n))
		}
	}
	r.add(n)
	return nil
}

// take takes room that was asked for elsewhere; no quota refuses it.
func (r *reservation) take(n int64) {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	r.add(n)
}

// add counts; the ledger's mu is held.
func (r *reservation) add(n int64) {
	r.bytes += n
	r.ledger.keysReserved[r.key] += n
	r.ledger.namespacesReserved[r.namespace] += n
}

// release gives the room back; what was published is in the ledger by then.
func (r *reservation) release() {
	l := r.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	r.add(-r.bytes)
}
