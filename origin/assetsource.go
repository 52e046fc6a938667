package origin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/origin/apikey"
)

// putSource answers PUT /v1/assets/{id}/source: the whole source in one
// request.
func (o *Origin) putSource(w http.ResponseWriter, r *http.Request, id string) error {
	key, err := o.authorize(w, r, apikey.Write, "")
	if err != nil {
		return err
	}
	a := o.assets.get(id)
	if a == nil || !key.May(apikey.Write, a.name.Namespace()) {
		return errNoAsset()
	}
	if err := a.admitsSource(); err != nil {
		return err
	}
	in, err := o.accept(w, r, key, a.name.Namespace(), "source")
	if err != nil {
		return err
	}
	defer in.close()
	if err := o.assets.take(in.size); err != nil {
		return err
	}
	counted := in.size
	defer func() { o.assets.give(counted) }()
	f, err := os.CreateTemp(a.folder, ".source-*")
	if err != nil {
		return fmt.Errorf("asset %s: %w", id, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	hash, more := sha256.New(), in.digest.hasher()
	to := io.MultiWriter(f, hash)
	if more != nil {
		to = io.MultiWriter(f, hash, more)
	}
	buffer := make([]byte, 1<<20)
	for {
		n, err := in.body.Read(buffer)
		if in.body.read > counted {
			if err := o.assets.take(quotaStep); err != nil {
				return err
			}
			counted += quotaStep
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return fmt.Errorf("asset %s: %w", id, err)
		}
		a.arrived(in.body.read)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	var sum [sha256.Size]byte
	hash.Sum(sum[:0])
	if err := in.digest.check(sum, more); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("asset %s: %w", id, err)
	}
	if err := a.sourceComes(key.ID, f.Name(), in.body.read, digest(sum)); err != nil {
		return err
	}
	return writeJSON(w, http.StatusAccepted, a.view(r.Context()))
}

// admitsSource refuses a second source.
func (a *asset) admitsSource() error {
	if info := a.state(); info.sourceHere() {
		return httperr.New(http.StatusConflict, "source", "this asset has its source; make a new asset of the same name to replace the video")
	}
	return nil
}

// arrived tells watchers how much of the source is here.
func (a *asset) arrived(n int64) {
	a.mu.Lock()
	first := a.received == 0 && n > 0 && a.info.State == assetWaiting
	a.received = n
	a.mu.Unlock()
	if first {
		_ = a.change(func(i *assetInfo) { // not acknowledged: trouble shows later
			if i.State == assetWaiting {
				i.State = assetUploading
			}
		})
		return
	}
	a.announce()
}

// sourceComes gives a synced file its place as the asset's source and begins the
// work. sum may be empty; then it is computed later.
func (a *asset) sourceComes(key, path string, size int64, sum string) error {
	s := a.origin.assets
	a.mu.Lock()
	here := a.info.sourceHere() || a.room != nil
	if !here {
		// It was let in while it came: no limit refuses it now.
		a.room, _ = a.origin.ledger.reserve(key, 0, a.name.Namespace(), 0, size)
	}
	a.mu.Unlock()
	if here {
		return a.admitsSource()
	}
	err := os.Rename(path, a.sourcePath())
	if stat, gone := os.Stat(a.sourcePath()); errors.Is(err, os.ErrNotExist) && gone == nil && stat.Size() == size {
		err = nil // moved before a crash
	}
	if err == nil {
		err = syncDir(filepath.Dir(a.sourcePath()))
	}
	if err == nil {
		err = a.change(func(i *assetInfo) { i.State, i.Size, i.SHA256 = assetProbing, size, sum })
	}
	if err != nil {
		a.mu.Lock()
		a.room.release()
		a.room = nil
		a.mu.Unlock()
		return fmt.Errorf("asset %s: %w", a.id, err)
	}
	s.mu.Lock()
	s.disk += size
	s.mu.Unlock()
	a.start()
	return nil
}

// digestSource computes the source's SHA-256 where it came in pieces. Workers on
// other machines check what they fetch by it.
func (a *asset) digestSource(ctx context.Context) error {
	if a.state().SHA256 != "" {
		return nil
	}
	f, err := os.Open(a.sourcePath())
	if err != nil {
		return fmt.Errorf("asset %s: %w", a.id, err)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, &whileAlive{ctx, f}); err != nil {
		return fmt.Errorf("asset %s: %w", a.id, err)
	}
	return a.change(func(i *assetInfo) { i.SHA256 = hex.EncodeToString(hash.Sum(nil)) })
}

// whileAlive ends a long reading with its context.
type whileAlive struct {
	ctx  context.Context
	from io.Reader
}

// Read implements io.Reader.
func (r *whileAlive) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.from.Read(p)
}
