package origin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/stratos-mesh/stratos/internal/httperr"
)

// The source of an asset may come as a tus upload with the metadata asset. It
// lies in a file, like the parts of a concatenation, until all of it is here.

// target checks that an asset takes a source of a size.
func (s *assets) target(id string, size int64) (*asset, error) {
	a := s.get(id)
	if a == nil || !s.origin.config().Video.on() {
		return nil, errNoAsset()
	}
	if s.origin.uploads.feeds(id) {
		return nil, httperr.New(http.StatusConflict, "source", "an upload for this asset is under way; go on with that one or delete it")
	}
	if err := s.take(size); err != nil { // asked for, not kept: what comes is counted when it is here
		return nil, err
	}
	s.give(size)
	return a, a.admitsSource()
}

// arrived tells the watchers of an upload's asset how far it is.
func (s *assets) arrived(u *upload) {
	if a := s.get(u.Asset); a != nil {
		a.arrived(u.Offset)
	}
}

// feeds tells whether an upload under way is the source of an asset.
func (u *uploads) feeds(asset string) bool {
	found := false
	_ = u.each(func(s *upload) { found = found || s.Asset == asset && s.Result == nil })
	return found
}

// intoAsset gives an upload's bytes to its asset. Doing it again, after a crash
// in the middle, leads to the same.
func (u *uploads) intoAsset(_ context.Context, s *upload) error {
	a := u.origin.assets.get(s.Asset)
	if a == nil {
		return errNoAsset()
	}
	part := u.part(s.ID)
	if s.Size == 0 {
		if err := os.WriteFile(part, nil, 0o600); err != nil {
			return fmt.Errorf("upload %s: %w", s.ID, err)
		}
	}
	err := a.sourceComes(s.Key, part, s.Size, "")
	if info := a.state(); err != nil && info.sourceHere() && info.Size == s.Size {
		if _, missing := os.Stat(part); errors.Is(missing, os.ErrNotExist) {
			err = nil // it was this one
		}
	}
	if err != nil {
		return err
	}
	s.Result = &Result{Name: a.name, Kind: "asset", Asset: a.id, Size: s.Size, Modified: u.origin.config().Now().UTC()}
	if err := u.save(s); err != nil {
		return err
	}
	u.count(s.Key, -1)
	u.release(s.ID)
	return nil
}
