package e2e

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// replicated waits until every live edge of the list holds every unit.
func (n *network) replicated(patience time.Duration, live int) {
	n.t.Helper()
	eventually(n.t, patience, fmt.Sprintf("all units on %d live edges", live), func() error {
		s := n.status()
		full := 0
		for _, e := range s.Edges {
			if e.State == "live" && e.Units == s.Units {
				full++
			}
		}
		if s.Units == 0 || full < live {
			return fmt.Errorf("%d live edges hold all %d units: %+v", full, s.Units, s.Edges)
		}
		return nil
	})
}

func TestRepairRestoresThreeReplicasWithinAMinute(t *testing.T) {
	n := start(t, "--edges", "5")
	files := map[string][]byte{}
	for i := range 20 {
		files[fmt.Sprintf("part-%d.bin", i)] = content(byte(10+i), 10<<20)
	}
	n.stratos("put", folder(t, files), "big/folder")
	n.replicated(20*time.Second, 3)
	n.kill("edge-1", "edge-2")
	eventually(t, 20*time.Second, "two edges are declared down", func() error {
		down := 0
		for _, e := range n.status().Edges {
			if e.State == "down" {
				down++
			}
		}
		if down != 2 {
			return fmt.Errorf("%d edges are down", down)
		}
		return nil
	})
	began := time.Now()
	n.replicated(time.Minute, 3)
	t.Logf("three live replicas of 200 MB again %s after the edges were declared down", time.Since(began).Round(100*time.Millisecond))

	// The edges return: what they hold counts again and nothing is lost.
	n.up()
	eventually(t, 30*time.Second, "five edges are live", func() error {
		for _, e := range n.status().Edges {
			if e.State != "live" {
				return fmt.Errorf("edge %d is %s", e.ID, e.State)
			}
		}
		return nil
	})
	if got := n.fetch("big/folder/part-3.bin", 10*time.Second); !bytes.Equal(got, files["part-3.bin"]) {
		t.Error("part-3.bin reads back with other bytes")
	}
}
