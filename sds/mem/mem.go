// Package mem keeps blocks in memory: for tests, and for what need not survive
// the process. It has no budget; sds/cached is the bounded one.
package mem

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/sds"
)

// Store keeps blocks in a map.
type Store struct {
	mu     sync.RWMutex // guards blocks
	blocks map[sds.CID]block
}

type block struct {
	bytes  []byte
	class  sds.Class
	stored time.Time
}

var (
	_ sds.Store  = (*Store)(nil)
	_ sds.Lister = (*Store)(nil)
	_ sds.Usage  = (*Store)(nil)
)

// New returns an empty store.
func New() *Store {
	return &Store{blocks: make(map[sds.CID]block)}
}

// Get returns a block.
func (s *Store) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("get %s: %w", cid, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, ok := s.blocks[cid]
	if !ok {
		return nil, fmt.Errorf("get %s: %w", cid, sds.ErrNotFound)
	}
	return b.bytes, nil
}

// Put keeps a block as long as the process lives.
func (s *Store) Put(ctx context.Context, cid sds.CID, content []byte, class sds.Class) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("put %s: %w", cid, err)
	}
	if len(content) > sds.MaxBlockSize {
		return fmt.Errorf("put %s: %w: %d bytes", cid, sds.ErrTooLarge, len(content))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.blocks[cid]; ok {
		b.class = max(b.class, class)
		s.blocks[cid] = b
		return nil
	}
	s.blocks[cid] = block{bytes: content, class: class, stored: time.Now().Truncate(time.Second)}
	return nil
}

// Has tells whether Get would find the block.
func (s *Store) Has(ctx context.Context, cid sds.CID) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("has %s: %w", cid, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.blocks[cid]
	return ok, nil
}

// Delete forgets a block.
func (s *Store) Delete(ctx context.Context, cid sds.CID) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %s: %w", cid, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blocks, cid)
	return nil
}

// List calls each for every block there was when it began. Blocks may come and
// go meanwhile, also from within each.
func (s *Store) List(ctx context.Context, each func(sds.Info) error) error {
	s.mu.RLock()
	infos := make([]sds.Info, 0, len(s.blocks))
	for cid, b := range s.blocks {
		infos = append(infos, sds.Info{CID: cid, Size: int64(len(b.bytes)), Class: b.class, Stored: b.stored})
	}
	s.mu.RUnlock()
	for _, info := range infos {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list: %w", err)
		}
		if err := each(info); err != nil {
			return err
		}
	}
	return nil
}

// Usage counts what is kept, without a limit.
func (s *Store) Usage() (pinned, cached sds.Budget) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, b := range s.blocks {
		budget := &cached
		if b.class == sds.Pinned {
			budget = &pinned
		}
		budget.Bytes += int64(len(b.bytes))
		budget.Blocks++
	}
	return pinned, cached
}
