// Package sandbox runs ffmpeg and ffprobe over files that strangers sent.
//
// A program in a Box sees the programs' own libraries, read only, and one file
// under the name Input; it has no network, no other processes, no place to
// write to, no capabilities and no new privileges, and limits on processor
// time, memory and wall time. What it makes leaves through pipes, which the
// caller reads under a limit on bytes. It is killed with all its children when
// the context ends or this process dies.
//
// On Linux (5.12 and newer) this is made of user, mount, network, process, IPC
// and host name spaces, as root and as an ordinary user alike, and without a
// set-uid program: the running binary starts itself again, and Main, which
// every main calls first, builds the room and turns into the program.
//
// Where name spaces cannot be had, Open says so and what to do. Config.Unconfined
// is the explicit setting to go on without them: limits alone.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Input is the name of Command.Input inside the room, relative to the folder
// that the program starts in.
const Input = "in/source"

// Errors that callers act on.
var (
	// ErrUnavailable: this system does not let processes be confined.
	ErrUnavailable = errors.New("programs cannot be confined on this system")
	// ErrLimit: the program used up its processor time, wall time or output bytes.
	ErrLimit = errors.New("the program reached a limit")
)

// Config of a box. Zero values mean the defaults named here.
type Config struct {
	// FFmpeg and FFprobe are the programs; as found on PATH.
	FFmpeg, FFprobe string
	// System are the files and folders that the programs see, read only, besides
	// their own folders: /usr, /lib, /lib64, /bin, /etc/ld.so.cache and
	// /etc/alternatives, those that exist.
	System []string
	// Limits of every run that does not set its own.
	Limits Limits
	// Nice lowers the programs' priority, 0 to 19.
	Nice int
	// Unconfined runs the programs with limits alone, able to read whatever this
	// process can. For development on systems without name spaces.
	Unconfined bool
}

// Limits of one run. Zero values are filled from Config, then from the defaults
// named here.
type Limits struct {
	// CPU time of all its threads; 12 hours.
	CPU time.Duration
	// Wall time; 6 hours.
	Wall time.Duration
	// Memory in bytes of address space; 8 GiB.
	Memory int64
	// Output in bytes over all pipes; 64 GiB.
	Output int64
}

// Command is one run of a program.
type Command struct {
	// Program is "ffmpeg" or "ffprobe".
	Program string
	Args    []string
	// Input is the one file that the program sees, as sandbox.Input; may be empty.
	Input string
	// Stdin is fed to the program; may be nil.
	Stdin io.Reader
	// Outputs read what the program writes: the first is its standard output, the
	// second pipe:3, the next pipe:4. Each runs in a goroutine of its own until
	// its end. One that fails stops the program.
	Outputs []func(io.Reader) error
	Limits  Limits
}

// ExitError says that the program itself failed.
type ExitError struct {
	Program string
	Code    int
	// Stderr is the end of what it said.
	Stderr string
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("%s ended with status %d: %s", e.Program, e.Code, strings.TrimSpace(e.Stderr))
}

// Box runs programs. It may be used by many goroutines.
type Box struct {
	cfg      Config
	programs map[string]string
	self     string
	confined bool
}

// Open finds the programs and tries the walls once. Without name spaces it gives
// ErrUnavailable, unless Config.Unconfined is set.
func Open(ctx context.Context, cfg Config) (*Box, error) {
	if os.Getenv(specVariable) != "" {
		return nil, errors.New("sandbox: a confined process opens a sandbox: main must call sandbox.Main before anything else")
	}
	cfg.Limits = cfg.Limits.or(Limits{CPU: 12 * time.Hour, Wall: 6 * time.Hour, Memory: 8 << 30, Output: 64 << 30})
	b := &Box{cfg: cfg, programs: map[string]string{}}
	for name, path := range map[string]string{"ffmpeg": cfg.FFmpeg, "ffprobe": cfg.FFprobe} {
		if path == "" {
			path = name
		}
		found, err := exec.LookPath(path)
		if err != nil {
			return nil, fmt.Errorf("sandbox: %s is missing: install it (Debian: apt-get install ffmpeg) or name its path: %w", name, err)
		}
		if b.programs[name], err = filepath.Abs(found); err != nil {
			return nil, fmt.Errorf("sandbox: find %s: %w", name, err)
		}
	}
	var err error
	if b.self, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("sandbox: find this program: %w", err)
	}
	if b.cfg.System == nil {
		b.cfg.System = []string{"/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives"}
	}
	for _, p := range b.programs {
		b.cfg.System = append(b.cfg.System, filepath.Dir(p))
	}
	b.confined = true
	if err := b.try(ctx); err != nil {
		if !cfg.Unconfined {
			return nil, fmt.Errorf("sandbox: %w: %w. Allow user name spaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns, RestrictNamespaces in a systemd unit), or set it to run unconfined", ErrUnavailable, err)
		}
		b.confined = false
	}
	return b, nil
}

// Confined says whether the walls are up.
func (b *Box) Confined() bool { return b.confined }

func (l Limits) or(d Limits) Limits {
	if l.CPU == 0 {
		l.CPU = d.CPU
	}
	if l.Wall == 0 {
		l.Wall = d.Wall
	}
	if l.Memory == 0 {
		l.Memory = d.Memory
	}
	if l.Output == 0 {
		l.Output = d.Output
	}
	return l
}
