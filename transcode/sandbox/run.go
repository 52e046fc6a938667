package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Run runs a command to its end. Its error is one of: the first that an output
// gave, ErrLimit, the context's, *ExitError, or ours.
func (b *Box) Run(ctx context.Context, c Command) error {
	path, ok := b.programs[c.Program]
	if !ok {
		return fmt.Errorf("sandbox: %q is no program of this box", c.Program)
	}
	limits := c.Limits.or(b.cfg.Limits)
	wall, stop := context.WithTimeout(ctx, limits.Wall)
	defer stop()
	run, cancel := context.WithCancelCause(wall)
	defer cancel(nil)

	room, clean, err := newRoom(c.Input, b.confined)
	if err != nil {
		return err
	}
	defer clean()
	stderr := &tail{max: 16 << 10}
	cmd, err := b.command(run, spec{
		Room: room, Confined: b.confined, System: b.cfg.System, Input: c.Input, Nice: b.cfg.Nice,
		CPU: limits.CPU, Memory: limits.Memory, Path: path, Args: append([]string{path}, c.Args...),
	})
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stderr = c.Stdin, stderr
	budget := &atomic.Int64{}
	budget.Store(limits.Output)
	readers, err := attach(cmd, len(c.Outputs))
	if err != nil {
		return err
	}

	// The kernel kills the program when the thread that started it ends, so the
	// thread stays with it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		readers.close()
		return fmt.Errorf("sandbox: start %s: %w", c.Program, err)
	}
	readers.closeWriters()
	var wg sync.WaitGroup
	for i, read := range c.Outputs {
		wg.Go(func() {
			from := &limited{r: readers.read[i], budget: budget}
			if err := read(from); err != nil {
				cancel(err)
			}
			if _, err := io.Copy(io.Discard, from); err != nil {
				cancel(err)
			}
		})
	}
	waited := make(chan error, 1)
	go func() { // the pipes end with the program, not the other way around
		wg.Wait()
		readers.close()
		close(waited)
	}()
	err = cmd.Wait()
	<-waited
	return verdict(c.Program, limits, run, wall, ctx, err, stderr)
}

// verdict names the first cause. ctx is the caller's, wall has the time limit
// besides, run ends with the first failing reader too.
func verdict(program string, limits Limits, run, wall, ctx context.Context, err error, stderr *tail) error {
	switch cause := context.Cause(run); {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(wall.Err(), context.DeadlineExceeded):
		return fmt.Errorf("sandbox: %s: %w: wall time", program, ErrLimit)
	case cause != nil:
		return cause
	case err == nil:
		return nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("sandbox: wait for %s: %w", program, err)
	}
	if overCPU(exit.ProcessState, limits.CPU) {
		return fmt.Errorf("sandbox: %s: %w: processor time", program, ErrLimit)
	}
	if exit.ExitCode() == helperFailed {
		return fmt.Errorf("sandbox: %s", stderr)
	}
	return &ExitError{Program: program, Code: exit.ExitCode(), Stderr: stderr.String()}
}

// pipes between a program's outputs and us.
type pipes struct{ read, write []*os.File }

func attach(cmd *exec.Cmd, n int) (*pipes, error) {
	p := &pipes{}
	for i := range n {
		r, w, err := os.Pipe()
		if err != nil {
			p.close()
			return nil, fmt.Errorf("sandbox: make a pipe: %w", err)
		}
		p.read, p.write = append(p.read, r), append(p.write, w)
		if i == 0 {
			cmd.Stdout = w
		} else {
			cmd.ExtraFiles = append(cmd.ExtraFiles, w)
		}
	}
	return p, nil
}

func (p *pipes) closeWriters() {
	for _, w := range p.write {
		w.Close()
	}
	p.write = nil
}

func (p *pipes) close() {
	p.closeWriters()
	for _, r := range p.read {
		r.Close()
	}
}

// limited counts all outputs of a program against one budget.
type limited struct {
	r      io.Reader
	budget *atomic.Int64
}

func (l *limited) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	if l.budget.Add(-int64(n)) < 0 {
		return 0, fmt.Errorf("sandbox: %w: bytes of output", ErrLimit)
	}
	return n, err
}

// tail keeps the end of what is written to it.
type tail struct {
	max int
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - t.max; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string { return string(t.buf) }

// spec is what the helper is told, in an environment variable.
type spec struct {
	// Room is an empty folder on which the helper builds the root, or the folder
	// that the program starts in when it is not confined.
	Room     string
	Confined bool
	System   []string
	Input    string
	Nice     int
	CPU      time.Duration
	Memory   int64
	Path     string // empty: only try
	Args     []string
}

const (
	specVariable = "STRATOS_SANDBOX"
	helperName   = "stratos-sandbox"
	helperFailed = 125 // the helper could not build the room
	helperTried  = 87  // it could, and had nothing to run
)
