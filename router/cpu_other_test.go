//go:build !unix

package router

func cpuSeconds() float64 { return 0 }
