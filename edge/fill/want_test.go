package fill

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
)

func TestAWantGoesOneStepAndNoFurther(t *testing.T) {
	t.Parallel()
	header := http.Header{}
	w := peers.Want{Unit: meta.UnitKey{1, 2}, Holders: []meta.EdgeID{3, 4_000_000_000}}
	WriteWant(header, w)
	got, ok := ReadWant(header)
	w.Asked = true
	if !ok || cmp.Diff(w, got) != "" {
		t.Error(cmp.Diff(w, got))
	}
	again := http.Header{}
	WriteWant(again, got)
	if len(again) != 0 {
		t.Errorf("an asked edge passes it on: %v", again)
	}
}

func FuzzReadWant(f *testing.F) {
	f.Add("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA", "1,2,3")
	f.Add("x", ",,,")
	f.Fuzz(func(t *testing.T, unit, holders string) {
		w, ok := ReadWant(http.Header{unitField: {unit}, holdersField: {holders}})
		if ok && (len(w.Holders) == 0 || len(w.Holders) > maxHolders || !w.Asked) {
			t.Fatalf("%+v", w)
		}
	})
}
