package fill

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
)

func TestAWantGoesTwoStepsAndNoFurther(t *testing.T) {
	t.Parallel()
	w := peers.Want{Unit: meta.UnitKey{1, 2}, Holders: []meta.EdgeID{3, 4_000_000_000}}
	for _, step := range []uint8{1, peers.LastStep} {
		header := http.Header{}
		WriteWant(header, w, step)
		got, ok := ReadWant(header)
		w.Step = step
		if !ok || cmp.Diff(w, got) != "" {
			t.Error(cmp.Diff(w, got))
		}
		header.Set(stepField, "0") // a liar who wants to go in circles
		if got, _ := ReadWant(header); got.Step != peers.LastStep {
			t.Errorf("step %d of a field that lies", got.Step)
		}
	}
	header := http.Header{}
	WriteWant(header, w, 0)
	if len(header) != 0 {
		t.Errorf("who asks for what is there alone tells %v", header)
	}
}

func FuzzReadWant(f *testing.F) {
	f.Add("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA", "1,2,3", "1")
	f.Add("x", ",,,", "")
	f.Fuzz(func(t *testing.T, unit, holders, step string) {
		w, ok := ReadWant(http.Header{unitField: {unit}, holdersField: {holders}, stepField: {step}})
		if ok && (len(w.Holders) == 0 || len(w.Holders) > maxHolders || w.Step == 0 || w.Step > peers.LastStep) {
			t.Fatalf("%+v", w)
		}
	})
}
