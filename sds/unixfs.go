package sds

import (
	"context"
	"errors"

	"github.com/ipfs/boxo/ipld/merkledag"
	unixfsio "github.com/ipfs/boxo/ipld/unixfs/io"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

// Profile is the name of the rules by which trees are made here (IPIP-499):
// CIDv1, sha2-256, slices of 1 MiB as raw leaves, balanced trees of width 1024,
// directories that become HAMTs of fan-out 256 above 256 KiB of block size.
const Profile = "unixfs-v1-2025"

// profile is boxo's table of the same; a function, as boxo's is a variable.
func profile() unixfsio.UnixFSProfile { return unixfsio.UnixFS_v1_2025 }

// A stub stands in boxo's builders for a block that is already with the sink:
// they only ask for its name and the size below it. The methods it does not
// have are those of a nil node, and never called.
type stub struct {
	*merkledag.RawNode
	cid  cid.Cid
	size uint64
}

func newStub(c CID, size uint64) *stub { return &stub{cid: c.library(), size: size} }

func (s *stub) Cid() cid.Cid          { return s.cid }
func (s *stub) Size() (uint64, error) { return s.size, nil }

// nodeSink is where boxo's builders put finished nodes. Its builders hand on no
// context, so the one of the call that made the builder lies here; it lives no
// longer than that call.
type nodeSink struct {
	ctx  context.Context
	sink Sink
	last cid.Cid // HAMTs add each shard twice in a row
}

var _ ipld.DAGService = (*nodeSink)(nil)

// Add hands a node to the sink; stubs are there already.
func (s *nodeSink) Add(_ context.Context, node ipld.Node) error {
	if _, ok := node.(*stub); ok || node.Cid() == s.last {
		return nil
	}
	name, err := fromLibrary(node.Cid())
	if err != nil {
		return err
	}
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if err := s.sink(s.ctx, name, node.RawData()); err != nil {
		return err
	}
	s.last = node.Cid()
	return nil
}

// AddMany hands nodes to the sink.
func (s *nodeSink) AddMany(ctx context.Context, nodes []ipld.Node) error {
	for _, n := range nodes {
		if err := s.Add(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

var errWriteOnly = errors.New("a sink cannot be read")

// Get is not there: what is built is not read back.
func (s *nodeSink) Get(context.Context, cid.Cid) (ipld.Node, error) { return nil, errWriteOnly }

// GetMany is not there either.
func (s *nodeSink) GetMany(context.Context, []cid.Cid) <-chan *ipld.NodeOption {
	out := make(chan *ipld.NodeOption, 1)
	out <- &ipld.NodeOption{Err: errWriteOnly}
	close(out)
	return out
}

// Remove does nothing: builders remove what they have replaced in memory.
func (s *nodeSink) Remove(context.Context, cid.Cid) error { return nil }

// RemoveMany does nothing.
func (s *nodeSink) RemoveMany(context.Context, []cid.Cid) error { return nil }
