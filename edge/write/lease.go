package write

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/edge/state"
	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// Grace is how long the slices of an upload stay after its lease has ended.
const Grace = 24 * time.Hour

// maxUploads bounds the leases remembered at once.
const maxUploads = 10_000

// Leases remember which slices came under which upload, and how many bytes.
type Leases struct {
	state *state.State
	guard func(cid sds.CID)
	now   func() time.Time

	mu   sync.Mutex // guards following
	open map[[16]byte]*state.Lease
	// saved is what the state has of a lease's bytes; it may lag behind.
	saved map[[16]byte]int64
}

// OpenLeases reads the leases that a state has. Guard is called with every CID
// before it is stored, so that a sweep under way spares it.
func OpenLeases(s *state.State, guard func(cid sds.CID), now func() time.Time) (*Leases, error) {
	list, err := s.Leases()
	if err != nil {
		return nil, err
	}
	l := &Leases{state: s, guard: guard, now: now, open: make(map[[16]byte]*state.Lease), saved: make(map[[16]byte]int64)}
	for _, lease := range list {
		l.open[lease.Upload] = &lease
		l.saved[lease.Upload] = lease.Bytes
	}
	return l, nil
}

// saveEvery is after how many bytes a lease's count is saved again: a restart
// forgets at most these.
const saveEvery = 64 << 20

// Reserve takes bytes from a grant's budget for a slice and leases the slice.
// The function that it returns must be called with what was stored in the end.
func (l *Leases) Reserve(grant *meta.Grant, cid sds.CID, bytes int64) (func(stored int64), error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lease := l.open[grant.Upload]
	if lease == nil {
		if len(l.open) >= maxUploads {
			return nil, httperr.New(http.StatusServiceUnavailable, "busy", "too many uploads are open").WithRetry(time.Minute)
		}
		lease = &state.Lease{Upload: grant.Upload, Unit: grant.Unit}
	}
	if lease.Unit != grant.Unit {
		return nil, refused(nil, "the upload belongs to another unit")
	}
	if bytes > grant.MaxBytes-lease.Bytes {
		return nil, refused(nil, fmt.Sprintf("the grant covers %d bytes, %d are used", grant.MaxBytes, lease.Bytes)).
			WithHint("renew the upload with a larger size")
	}
	if grant.Until.After(lease.Until) || l.open[grant.Upload] == nil || lease.Bytes-l.saved[grant.Upload] > saveEvery {
		renewed := *lease
		if grant.Until.After(renewed.Until) {
			renewed.Until = grant.Until
		}
		if err := l.state.PutLease(renewed); err != nil {
			return nil, fmt.Errorf("lease of upload %x: %w", grant.Upload, err)
		}
		*lease = renewed
		l.open[grant.Upload], l.saved[grant.Upload] = lease, lease.Bytes
	}
	if err := l.state.Leased(grant.Upload, cid); err != nil {
		return nil, fmt.Errorf("lease of slice %s: %w", cid, err)
	}
	l.guard(cid)
	lease.Bytes += bytes
	return func(stored int64) {
		l.mu.Lock()
		defer l.mu.Unlock()
		lease.Bytes += stored - bytes
	}, nil
}

// Expired drops the leases that ended more than Grace ago, and says how many:
// after that their slices are anybody's to sweep.
func (l *Leases) Expired() (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone := 0
	for upload, lease := range l.open {
		if l.now().Before(lease.Until.Add(Grace)) {
			continue
		}
		if err := l.state.DropLease(upload); err != nil {
			return gone, fmt.Errorf("drop lease %x: %w", upload, err)
		}
		delete(l.open, upload)
		delete(l.saved, upload)
		gone++
	}
	return gone, nil
}

// Len counts the leases.
func (l *Leases) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}
