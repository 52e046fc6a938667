package agent

import (
	"slices"
	"testing"

	"github.com/stratos-mesh/stratos/meta"
)

// What a beat carried that nobody heard is told again, a report and its work
// together, and no more at once than a meta node takes.
func TestReportsOfDialsAreToldUntilTheyAreHeard(t *testing.T) {
	t.Parallel()
	a := New(Config{})
	a.done = []uint64{1}
	for number := range uint64(meta.MaxDialReports + 3) {
		a.reports = append(a.reports, meta.DialReport{Number: 100 + number})
	}
	var lost meta.Beat
	a.finished(&lost)
	if len(lost.Dials) != meta.MaxDialReports || len(lost.Done) != meta.MaxDialReports+1 {
		t.Fatalf("%d reports, %d done", len(lost.Dials), len(lost.Done))
	}
	a.unfinished(&lost)
	told := map[uint64]bool{}
	for range 3 {
		var b meta.Beat
		a.finished(&b)
		for _, r := range b.Dials {
			if told[r.Number] || !slices.Contains(b.Done, r.Number) {
				t.Errorf("report %d came twice, or without its work", r.Number)
			}
			told[r.Number] = true
		}
	}
	if len(told) != meta.MaxDialReports+3 {
		t.Errorf("%d reports were told", len(told))
	}
}

func TestDialsDoNotWaitForReplicas(t *testing.T) {
	t.Parallel()
	a := New(Config{})
	for number := range uint64(maxWork + 10) {
		a.take(meta.Work{Number: number, Kind: meta.Replicate})
	}
	a.take(meta.Work{Number: 1 << 40, Kind: meta.Dial, Target: 2})
	if len(a.dials) != 1 || len(a.queue) != maxWork {
		t.Errorf("%d dials and %d others wait", len(a.dials), len(a.queue))
	}
}
