//go:build unix

package router

import "syscall"

// cpuSeconds is what this process has used of its processors: unlike the time
// on the wall it does not count what other programs did meanwhile.
func cpuSeconds() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return float64(used.Utime.Sec+used.Stime.Sec) + float64(used.Utime.Usec+used.Stime.Usec)/1e6
}
