package apikey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// maxFile bounds a file of keys: some 100,000 of them.
const maxFile = 32 << 20

// document is the file's form.
type document struct {
	Version int   `json:"version"`
	Keys    []Key `json:"keys"`
}

// Parse reads the text of a file of keys. Unknown fields, versions and keys
// that break a rule or stand there twice are ErrInvalid.
func Parse(text []byte) ([]Key, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var doc document
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: text after the document", ErrInvalid)
	}
	if doc.Version != 1 {
		return nil, fmt.Errorf("%w: version %d, want 1", ErrInvalid, doc.Version)
	}
	ids, hashes := map[string]bool{}, map[string]bool{}
	for i := range doc.Keys {
		k := &doc.Keys[i]
		if err := k.Validate(); err != nil {
			return nil, err
		}
		if ids[k.ID] || hashes[k.Hash] {
			return nil, fmt.Errorf("%w %s: stands in the file twice", ErrInvalid, k.ID)
		}
		ids[k.ID], hashes[k.Hash] = true, true
	}
	return doc.Keys, nil
}

// Load reads a file of keys; one that is not there has none.
func Load(path string) ([]Key, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("API keys: %w", err)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("API keys %s: %w: larger than %d bytes", path, ErrInvalid, maxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("API keys: %w", err)
	}
	keys, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("API keys %s: %w", path, err)
	}
	return keys, nil
}

// Create draws a key, adds it to the file, and returns the token: the only time
// that anybody sees it.
func Create(path string, spec Key) (token string, err error) {
	token, key, err := New(spec, time.Now())
	if err != nil {
		return "", err
	}
	return token, update(path, func(keys []Key) ([]Key, error) { return append(keys, key), nil })
}

// Remove takes a key out of the file; it ends within a second or two.
func Remove(path, id string) error {
	return update(path, func(keys []Key) ([]Key, error) {
		left := slices.DeleteFunc(slices.Clone(keys), func(k Key) bool { return k.ID == id })
		if len(left) == len(keys) {
			return nil, fmt.Errorf("%w: no key %.40q in %s", ErrInvalid, id, path)
		}
		return left, nil
	})
}

// update changes the file, one process at a time, and replaces it whole.
func update(path string, change func([]Key) ([]Key, error)) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("API keys: %w", err)
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("API keys: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("API keys: lock %s: %w", path, err)
	}
	keys, err := Load(path)
	if err != nil {
		return err
	}
	if keys, err = change(keys); err != nil {
		return err
	}
	text, err := json.MarshalIndent(document{Version: 1, Keys: keys}, "", "  ")
	if err != nil {
		return fmt.Errorf("API keys: %w", err)
	}
	f, err := os.CreateTemp(dir, ".keys-*") // mode 0600
	if err != nil {
		return fmt.Errorf("API keys: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("API keys: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("API keys: %w", err)
	}
	return nil
}

// File is a file of keys that is read again when it changes.
type File struct {
	path string
	now  func() time.Time

	mu      sync.Mutex // guards following
	keys    map[string]*Key
	looked  time.Time
	changed time.Time
	size    int64
	failure error
}

// Open reads a file of keys.
func Open(path string) (*File, error) {
	f := &File{path: path, now: time.Now}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

// Find returns the key of a token, or nil: unknown, removed or expired.
func (f *File) Find(token string) *Key {
	if len(token) > 256 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.keys[hash(token)]
	if k == nil || f.now().Sub(f.looked) >= time.Second {
		// A new key is good at once, a removed one bad after a second. A file that
		// was broken while it was edited leaves the last good keys in force; Err
		// tells of it.
		f.failure = f.read()
		k = f.keys[hash(token)]
	}
	if k == nil || k.Expired(f.now()) {
		return nil
	}
	return k
}

// Err is why the file could not be read again, if it could not.
func (f *File) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failure
}

// read takes the file's keys if it changed since; mu is held.
func (f *File) read() error {
	f.looked = f.now()
	info, err := os.Stat(f.path)
	if err == nil && f.keys != nil && info.ModTime().Equal(f.changed) && info.Size() == f.size {
		return nil
	}
	keys, err := Load(f.path)
	if err != nil {
		return err
	}
	f.keys = make(map[string]*Key, len(keys))
	for i := range keys {
		f.keys[keys[i].Hash] = &keys[i]
	}
	if info != nil {
		f.changed, f.size = info.ModTime(), info.Size()
	}
	return nil
}
