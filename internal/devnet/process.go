package devnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Role is one process of the network, in a folder of its own: Caddyfile, log,
// pid, admin.sock and the role's data.
type Role struct {
	Name string
	Dir  string
	// Ready is the URL that answers 200 once the role works.
	Ready string
}

// Start runs the role as a process of its own session, so that a Ctrl-C at the
// terminal reaches only the one who started it. A role that already runs is left
// alone.
func (r Role) Start(program string) (pid int, err error) {
	if pid := r.PID(); pid != 0 {
		return pid, nil
	}
	log, err := os.OpenFile(filepath.Join(r.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	// The role's folder is the working directory, so that the path of the admin
	// socket stays below the 108 bytes that a socket's name may have.
	cmd := exec.Command(program, "run", "--config", "Caddyfile")
	cmd.Dir = r.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+filepath.Join(r.Dir, "caddy"), "XDG_CONFIG_HOME="+filepath.Join(r.Dir, "caddy"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", r.Name, err)
	}
	go cmd.Wait() // reaps it while this process lives; its end is seen by PID
	return cmd.Process.Pid, writeFile(r.pidFile(), fmt.Appendln(nil, cmd.Process.Pid), 0o644)
}

func (r Role) pidFile() string { return filepath.Join(r.Dir, "pid") }

// PID of the running process, or 0. A pid that now belongs to another program
// counts as not running.
func (r Role) PID() int {
	text, err := os.ReadFile(r.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return 0
	}
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return 0
	}
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || zombie(stat) {
		return 0
	}
	want, err := filepath.EvalSymlinks(r.Dir)
	if err != nil || cwd != want {
		return 0
	}
	return pid
}

// zombie reads the state that follows the last ')' of /proc/PID/stat (proc(5)).
func zombie(stat []byte) bool {
	i := bytes.LastIndexByte(stat, ')')
	return i >= 0 && i+2 < len(stat) && stat[i+2] == 'Z'
}

// Stop asks the process to end and waits for it; after the patience it is
// killed.
func (r Role) Stop(ctx context.Context, patience time.Duration) error {
	pid := r.PID()
	if pid == 0 {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop %s: %w", r.Name, err)
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for r.PID() == pid {
		select {
		case <-tick.C:
			continue
		case <-deadline.C:
		case <-ctx.Done():
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill %s: %w", r.Name, err)
		}
		break
	}
	return os.Remove(r.pidFile())
}

// LogTail is the end of the role's log, for the error that says why it did not
// start.
func (r Role) LogTail(lines int) string {
	text, err := os.ReadFile(filepath.Join(r.Dir, "log"))
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
