package edge

import "golang.org/x/sys/unix"

const canCork = true

func setCork(fd uintptr, on int) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, on) // a hint, nothing more
}
