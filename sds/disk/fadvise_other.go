//go:build !linux

package disk

import "github.com/cockroachdb/pebble/v2/vfs"

// dropCached has no equal here: a scrub may read the system's copy in memory.
func dropCached(vfs.File) {}
