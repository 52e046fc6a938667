//go:build !linux

package edge

const canCork = false

func setCork(uintptr, int) {}
