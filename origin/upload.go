package origin

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/pipeline"
)

// upload is the state of one tus upload. Its file is a line of JSON and behind
// it the state of the splitter: leaf list, tail under 1 MiB, hash. Both change
// together, by replacing the file.
type upload struct {
	Version  int               `json:"version"`
	ID       string            `json:"id"`
	Name     meta.Name         `json:"name,omitempty"`
	Bundle   string            `json:"bundle,omitempty"` // id, with Path inside it
	Path     string            `json:"path,omitempty"`
	Asset    string            `json:"asset,omitempty"` // id, whose source this is
	Type     string            `json:"type"`
	Key      string            `json:"key"` // id of the API key that made it
	Metadata map[string]string `json:"metadata,omitempty"`
	Size     int64             `json:"size"`
	Offset   int64             `json:"offset"`
	Partial  bool              `json:"partial,omitempty"`
	Final    bool              `json:"final,omitempty"`
	Parts    []string          `json:"parts,omitempty"`
	Expires  time.Time         `json:"expires"`
	// Grant as a meta node encoded it, and which edges have how many blocks.
	Grant  []byte         `json:"grant,omitempty"`
	Tally  pipeline.Tally `json:"tally"`
	Result *Result        `json:"result,omitempty"`

	splitter []byte // read by loadWhole
}

// maxUploadHead bounds the JSON line: tus metadata is bounded by the size of
// request headers.
const maxUploadHead = 4 << 20

func (s *upload) complete() bool   { return s.Offset == s.Size }
func (s *upload) unfinished() bool { return !s.complete() || !s.Partial && s.Result == nil }

// partBytes is what a partial upload may take on this disk.
func (s *upload) partBytes() int64 {
	if !s.Partial {
		return 0
	}
	return s.Size
}

// grant decodes the grant, nil when there is none.
func (s *upload) grant() *meta.Grant {
	if len(s.Grant) == 0 {
		return nil
	}
	g, err := meta.DecodeGrant(s.Grant)
	if err != nil {
		return nil // asking for a new one is always possible
	}
	return g
}

func (u *uploads) folder(id string) string { return filepath.Join(u.dir, id) }
func (u *uploads) state(id string) string  { return filepath.Join(u.dir, id, "state") }
func (u *uploads) part(id string) string   { return filepath.Join(u.dir, id, "part") }

// load reads an upload without its splitter.
func (u *uploads) load(id string) (*upload, error) {
	s, f, err := u.read(id)
	if err != nil {
		return nil, err
	}
	return s, f.Close()
}

// loadWhole reads an upload and its splitter.
func (u *uploads) loadWhole(id string) (*upload, error) {
	s, f, err := u.read(id)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if s.splitter, err = io.ReadAll(f); err != nil {
		return nil, fmt.Errorf("upload %s: %w", id, err)
	}
	return s, nil
}

// stateFile is a state file read up to the splitter's state.
type stateFile struct {
	*bufio.Reader
	io.Closer
}

func (u *uploads) read(id string) (*upload, *stateFile, error) {
	f, err := os.Open(u.state(id))
	if err != nil {
		return nil, nil, fmt.Errorf("upload: %w", err)
	}
	r := bufio.NewReaderSize(f, 64<<10)
	head, err := r.ReadBytes('\n')
	s := &upload{}
	if err == nil && len(head) <= maxUploadHead {
		err = json.Unmarshal(head, s)
	}
	if err != nil || s.Version != 1 || s.ID != id {
		f.Close()
		return nil, nil, fmt.Errorf("upload %s: state file is damaged: %w", id, errors.Join(err, io.ErrUnexpectedEOF))
	}
	return s, &stateFile{r, f}, nil
}

// save writes the state so that it survives a crash, and gives the upload its
// full time again.
func (u *uploads) save(s *upload) error {
	s.Expires = u.origin.config().Now().Add(u.origin.config().Expire).UTC().Truncate(time.Second)
	return u.store(s)
}

// store writes the state with the end that it has.
func (u *uploads) store(s *upload) error {
	s.Version = 1
	head, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("upload %s: %w", s.ID, err)
	}
	return writeFile(u.state(s.ID), head, []byte{'\n'}, s.splitter)
}

// create makes the folder of a new upload.
func (u *uploads) create(s *upload) error {
	if err := os.Mkdir(u.folder(s.ID), 0o700); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	if err := u.save(s); err != nil {
		return err
	}
	u.parts.Add(s.partBytes())
	if s.unfinished() {
		u.count(s.Key, 1)
	}
	return syncDir(u.dir)
}

// remove forgets an upload. Its slices on edges go when their lease ends.
func (u *uploads) remove(s *upload) error {
	if err := os.RemoveAll(u.folder(s.ID)); err != nil {
		return fmt.Errorf("upload %s: %w", s.ID, err)
	}
	u.parts.Add(-s.partBytes())
	u.release(s.ID)
	if s.unfinished() {
		u.count(s.Key, -1)
	}
	return syncDir(u.dir)
}
