package viewstoretest

import (
	"os/exec"
	"syscall"
)

// dieWithParent has a server killed when the test's process ends without
// cleaning up, for example because it ran out of time.
func dieWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
