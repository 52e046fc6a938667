package node_test

import (
	"fmt"
	"testing"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/inventory"
	"github.com/stratos-mesh/stratos/meta/node"
	"github.com/stratos-mesh/stratos/receipt"
)

// fleetOf is a node with edges that beat once and names on three of them.
func fleetOf(b *testing.B, edges, names int) *node.Node {
	b.Helper()
	n, err := node.Open(config(b.TempDir()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { n.Close() })
	for i := 1; i <= edges; i++ {
		a := meta.Admission{Kind: meta.EdgeNode, Key: edgeKey(i), Edge: meta.Edge{URL: "http://127.0.0.1:1", Region: fmt.Sprint(i % 20)}}
		if _, err := n.Admit(b.Context(), a); err != nil {
			b.Fatal(err)
		}
		if _, err := n.Beat(b.Context(), meta.EdgeID(i), meta.Beat{Cached: inventory.EncodeFilter([]meta.UnitKey{{byte(i)}})}); err != nil {
			b.Fatal(err)
		}
	}
	for i := range names {
		name := meta.Name(fmt.Sprint("acme/dir/", i))
		if _, err := n.Publish(b.Context(), publication(name, cid(string(name)), 1, 2, 3)); err != nil {
			b.Fatal(err)
		}
	}
	return n
}

func BenchmarkResolve(b *testing.B) {
	n := fleetOf(b, 300, 100)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, err := n.Resolve(b.Context(), fmt.Sprintf("acme/dir/%d/index.html", i%100)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBeat(b *testing.B) {
	n := fleetOf(b, 300, 1)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, err := n.Beat(b.Context(), meta.EdgeID(i%300+1), meta.Beat{Sequence: uint64(i)}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIssue(b *testing.B) {
	n := fleetOf(b, 300, 1)
	request := []meta.TicketRequest{{
		Class: receipt.ClassB, Root: cid("acme/dir/0"), Working: []meta.EdgeID{1, 2, 3}, Rest: []meta.EdgeID{4}, Sources: []meta.EdgeID{5, 6}, MaxBytes: 1 << 20,
	}}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if out, err := n.Issue(b.Context(), request); err != nil || out[0].Err != nil {
			b.Fatal(err, out)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tickets/s")
}
