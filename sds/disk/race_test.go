//go:build race

package disk

// thorough is false where everything is ten times slower and only races matter.
const thorough = false
