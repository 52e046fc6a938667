//go:build !unix

package edge

// diskFree is not known here; the store itself notices a full disk.
func diskFree(string) (int64, bool) { return 0, false }
