package node

import "context"

// WipeStore does what a FLUSHALL does.
func (n *Node) WipeStore(ctx context.Context) error { return n.store.Wipe(ctx) }
