//go:build !race

package disk

// thorough says to try all the cases there are.
const thorough = true
