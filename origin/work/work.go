// Package work is the protocol between an origin and the workers that encode
// for it, both ends of it, and the worker itself.
//
// A worker leases a task: some renditions of one piece of a video. It reads the
// source, encodes, returns each file as soon as it is whole, and says when all
// are there. It keeps nothing: what it does not return by the end of its lease
// is given to another worker, and a file that was returned stays.
//
//	Task     what is leased; it is complete, a worker needs nothing else
//	Queue    what an origin has behind the protocol
//	Handler  the protocol's server over a Queue
//	Client   its client
//	Run      a worker
//
// docs/http-api/origin.md describes the requests.
package work

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/stratos-mesh/stratos/transcode"
)

// Errors that both ends act on; they travel as types of problems.
var (
	// ErrNone: there is nothing to do now.
	ErrNone = errors.New("no task is waiting")
	// ErrLost: the lease has ended and the task is another's, done or gone. What
	// the worker does for it is in vain.
	ErrLost = errors.New("the lease has ended")
	// ErrFile: a returned file that the origin does not take.
	ErrFile = errors.New("the file is refused")
	// ErrRoom: the origin's disk has no room for the file.
	ErrRoom = errors.New("the origin has no room")
)

const (
	// LeaseTime is how long a task is a worker's own after it last said so.
	LeaseTime = 30 * time.Second
	// RenewEvery is how often a worker says so.
	RenewEvery = 5 * time.Second
	// MaxWait is the longest that asking for a task may take.
	MaxWait = 20 * time.Second
	// MaxFile bounds one returned file. A segment of 4 s has 9 MB at the highest
	// rung's average.
	MaxFile = 128 << 20
	// maxMessage bounds the JSON of a request or answer. A plan of a source with a
	// hundred tracks has some 30 KiB.
	maxMessage = 4 << 20
)

// Kind of a task. Workers ask for kinds, so that the sound of a video, which
// costs little and must be there before anything plays, waits for no picture.
type Kind string

// The kinds.
const (
	Video Kind = "video"
	Sound Kind = "sound" // and captions
)

// Task is a piece of work under one lease.
type Task struct {
	// ID of the lease; it names the task in all further requests.
	ID     string         `json:"id"`
	Asset  string         `json:"asset"`
	Kind   Kind           `json:"kind"`
	Source Source         `json:"source"`
	Plan   transcode.Plan `json:"plan"`
	// Task is what Encode is to do.
	Task  transcode.Task `json:"task"`
	Until time.Time      `json:"until"`
}

// Source is the file that a task reads.
type Source struct {
	// URL relative to the origin.
	URL  string `json:"url"`
	Size int64  `json:"size"`
	// SHA256 in hexadecimal; empty to a worker that reads Path.
	SHA256 string `json:"sha256,omitempty"`
	// Path on this machine, told to workers that the origin itself started.
	Path string `json:"path,omitempty"`
}

// Ask is what a worker says when it wants a task.
type Ask struct {
	// Worker is a name for people.
	Worker string `json:"worker"`
	Kinds  []Kind `json:"kinds"`
	// Wait for a task that long, in seconds, when there is none.
	Wait float64 `json:"wait,omitempty"`
	// Local is set by the handler for workers of this machine.
	Local bool `json:"-"`
}

// Progress of a task.
type Progress struct {
	// Done of the task, 0 to 1.
	Done float64 `json:"done"`
	// Speed in seconds of video a second, measured so far; 0 when unknown.
	Speed float64 `json:"speed,omitempty"`
}

// File is a returned file.
type File struct {
	// Path below the tree.
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// Done is what a worker says at the end of a task.
type Done struct {
	Files []File  `json:"files"`
	Speed float64 `json:"speed,omitempty"`
}

// Failure is why a task was given up.
type Failure struct {
	// Refusal is set when the source is to blame: trying again gives the same.
	Refusal *transcode.Refusal `json:"refusal,omitempty"`
	// Seam is set when the result does not fit that of another worker.
	Seam bool `json:"seam,omitempty"`
	// Detail for the origin's log.
	Detail string `json:"detail"`
}

// Queue is what an origin has behind the protocol. Every method may be called
// again with the same result. Those that take a lease give ErrLost when it is
// not a worker's any more.
type Queue interface {
	// Lease gives a task, or ErrNone when there is none for as long as the worker
	// waits.
	Lease(ctx context.Context, ask Ask) (*Task, error)
	// Renew keeps the lease for another LeaseTime from now.
	Renew(ctx context.Context, lease string, p Progress) (until time.Time, err error)
	// Source opens the file that the task reads.
	Source(ctx context.Context, lease string) (*os.File, error)
	// Put takes a file in. It calls write with where to, once, and gives the file
	// its name when write has written what was announced. A file that is there
	// already stays as it is.
	Put(ctx context.Context, lease string, file File, write func(*os.File) error) error
	// Complete ends the task.
	Complete(ctx context.Context, lease string, done Done) error
	// Fail gives the task back.
	Fail(ctx context.Context, lease string, f Failure) error
}
