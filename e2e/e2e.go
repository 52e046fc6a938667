// Package e2e sees the whole as a black box: real processes on loopback,
// started by the program that people run, killed and cut off by the tests.
// Tests know network.json, HTTP, the command line, signals and what a browser
// shows; nothing else.
package e2e
