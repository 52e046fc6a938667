package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const spaces = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS

// command prepares the helper that becomes the program.
func (b *Box) command(ctx context.Context, s spec) (*exec.Cmd, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("sandbox: describe the room: %w", err)
	}
	cmd := exec.CommandContext(ctx, b.self)
	cmd.Args = []string{helperName}
	cmd.Env = []string{specVariable + "=" + string(text)}
	// Setpgid: unconfined, children are killed by their group; confined, the
	// program is the first process of its space and takes all others along.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if s.Confined {
		cmd.SysProcAttr.Cloneflags = spaces
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	cmd.Cancel = func() error {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		return nil
	}
	return cmd, nil
}

// try builds a room and runs nothing in it.
func (b *Box) try(ctx context.Context) error {
	room, clean, err := newRoom("", true)
	if err != nil {
		return err
	}
	defer clean()
	limits := b.cfg.Limits
	cmd, err := b.command(ctx, spec{Room: room, Confined: true, System: b.cfg.System, CPU: limits.CPU, Memory: limits.Memory, Nice: b.cfg.Nice})
	if err != nil {
		return err
	}
	stderr := &tail{max: 4 << 10}
	cmd.Stderr = stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		switch exit.ExitCode() {
		case helperTried:
			return nil
		case helperFailed:
			return errors.New(stderr.String())
		}
	}
	if err == nil {
		err = errors.New("main does not call sandbox.Main")
	}
	return err
}

// overCPU tells the limit on processor time, which is a SIGKILL, from other
// kills, as by the kernel when memory runs out.
func overCPU(p *os.ProcessState, limit time.Duration) bool {
	status, ok := p.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && p.UserTime()+p.SystemTime() > limit-time.Second/2
}
