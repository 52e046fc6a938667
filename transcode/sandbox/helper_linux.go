package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Main turns this process into the confined program when it was started for
// that, and otherwise returns at once. Every main that opens a Box calls it
// before anything else, TestMain included.
func Main() {
	if os.Args[0] != helperName {
		return
	}
	err := become(os.Getenv(specVariable))
	fmt.Fprintln(os.Stderr, "build the room:", err)
	os.Exit(helperFailed)
}

// become returns only when it fails. It is the first process of its name
// spaces; privileges belong to threads, so all happens on one.
func become(text string) error {
	runtime.LockOSThread()
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return fmt.Errorf("read what to do: %w", err)
	}
	if s.Confined {
		if err := s.build(); err != nil {
			return err
		}
	} else if err := os.Chdir(s.Room); err != nil {
		return fmt.Errorf("enter the room: %w", err)
	}
	if err := dropPrivileges(s.Confined); err != nil {
		return err
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, s.Nice); err != nil {
		return fmt.Errorf("lower the priority: %w", err)
	}
	if s.Path == "" {
		os.Exit(helperTried)
	}
	// glibc reserves 64 MiB of addresses for each arena, which the limit counts.
	env := []string{"LC_ALL=C", "HOME=/", "PATH=/usr/bin:/bin", "MALLOC_ARENA_MAX=4"}
	// From here on the Go runtime may lack memory: nothing but exec follows.
	if err := s.limit(); err != nil {
		return err
	}
	return fmt.Errorf("start %s: %w", s.Path, syscall.Exec(s.Path, s.Args, env))
}

// build makes a root that holds the system, read only, and the input, and moves
// into it.
func (s *spec) build() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", s.Room, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=1m,mode=0755"); err != nil {
		return fmt.Errorf("mount a root: %w", err)
	}
	for _, path := range append(slices.Clone(s.System), "/dev/null", "/dev/urandom") {
		if err := s.show(path); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(s.Room, "job", "in"), 0o755); err != nil {
		return fmt.Errorf("make the job's folder: %w", err)
	}
	if s.Input != "" {
		if err := bind(s.Input, filepath.Join(s.Room, "job", Input)); err != nil {
			return err
		}
	}
	if err := unix.Chdir(s.Room); err != nil {
		return fmt.Errorf("enter the root: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	if err := readOnly("/"); err != nil {
		return err
	}
	if err := unix.Chdir("/job"); err != nil {
		return fmt.Errorf("enter the job's folder: %w", err)
	}
	return nil
}

// show binds a path of the system at the same place; a symbolic link (/lib, on
// many systems) is made again.
func (s *spec) show(path string) error {
	at := filepath.Join(s.Room, path)
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	if _, err := os.Lstat(at); err == nil {
		return nil // inside one that is there already
	}
	if info.Mode()&os.ModeSymlink == 0 {
		return bind(path, at)
	}
	to, err := os.Readlink(path)
	if err != nil {
		return fmt.Errorf("read the link %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return fmt.Errorf("make the root's folders: %w", err)
	}
	return os.Symlink(to, at)
}

// bind shows from at the path at, read only.
func bind(from, at string) error {
	info, err := os.Stat(from)
	if err != nil {
		return fmt.Errorf("look at %s: %w", from, err)
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return fmt.Errorf("make the root's folders: %w", err)
	}
	if info.IsDir() {
		err = os.Mkdir(at, 0o755)
	} else {
		err = os.WriteFile(at, nil, 0o444)
	}
	if err != nil {
		return fmt.Errorf("make a place for %s: %w", from, err)
	}
	if err := unix.Mount(from, at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", from, err)
	}
	if strings.HasPrefix(from, "/dev/") {
		return nil
	}
	return readOnly(at)
}

func readOnly(at string) error {
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if at == "/" { // the root itself; what is bound below it has its own
		if err := unix.MountSetattr(-1, at, 0, attr); err != nil {
			return fmt.Errorf("make the root read only: %w", err)
		}
		return nil
	}
	if err := unix.MountSetattr(-1, at, unix.AT_RECURSIVE, attr); err != nil {
		return fmt.Errorf("make %s read only: %w", at, err)
	}
	return nil
}

// dropPrivileges gives up what root of a user name space may do, for good.
func dropPrivileges(confined bool) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	if confined {
		// NOROOT: user 0 gets no capabilities by starting a program. All locked.
		const secure = 1 | 1<<1 | 1<<2 | 1<<3 | 1<<5
		if err := unix.Prctl(unix.PR_SET_SECUREBITS, secure, 0, 0, 0); err != nil {
			return fmt.Errorf("lock the capabilities: %w", err)
		}
		for c := uintptr(0); c <= 63; c++ {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("drop capability %d: %w", c, err)
			}
		}
		head := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		none := [2]unix.CapUserData{}
		if err := unix.Capset(head, &none[0]); err != nil {
			return fmt.Errorf("drop all capabilities: %w", err)
		}
	}
	// Last, because a change of privileges clears it.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("tie the program to its parent: %w", err)
	}
	return nil
}

// limit sets the resource limits.
func (s *spec) limit() error {
	seconds := uint64((s.CPU + time.Second - 1) / time.Second)
	for _, l := range []struct {
		what  int
		value uint64
	}{
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_NOFILE, 256},
		{unix.RLIMIT_CPU, seconds},
		{unix.RLIMIT_AS, uint64(s.Memory)},
	} {
		if err := unix.Setrlimit(l.what, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("set limit %d: %w", l.what, err)
		}
	}
	return nil
}
