package edge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestMetricsCountWhatWasServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	e := w.edges[1]
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 1000)}, w.edges[0])
	path := "/t/" + w.ticket(p, nil, e) + "/acme/film/0.mp4"
	e.get(t, path)
	e.get(t, path)
	e.get(t, path+"x")
	registry := prometheus.NewPedanticRegistry()
	if err := registerMetrics(registry, func() *node { return e.node }); err != nil {
		t.Fatal(err)
	}
	got := gather(t, registry)
	for line, value := range map[string]float64{
		`stratos_edge_requests_total{class="B",status="200"}`:    2,
		`stratos_edge_requests_total{class="none",status="404"}`: 1,
		`stratos_edge_sent_bytes_total{from="edge"}`:             1000,
		`stratos_edge_sent_bytes_total{from="here"}`:             1000,
		`stratos_edge_sessions`:                                  1,
	} {
		if got[line] != value {
			t.Errorf("%s is %v, want %v", line, got[line], value)
		}
	}
	page, err := os.ReadFile("../docs/metrics/edge.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range describe() {
		full := "stratos_edge_" + name
		if name == "build_info" {
			full = "stratos_build_info"
		}
		if !strings.Contains(string(page), "`"+full) {
			t.Errorf("docs/metrics/edge.md lacks %s: %s", full, d)
		}
	}
}

func TestAnEdgeThatIsNotOpenYetHasMetricsToo(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	if err := registerMetrics(registry, func() *node { return nil }); err != nil {
		t.Fatal(err)
	}
	if got := gather(t, registry); len(got) != 1 {
		t.Errorf("%v, want build info alone", got)
	}
}

// gather reads a registry as lines and values.
func gather(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			line := family.GetName()
			if len(labels) > 0 {
				line += "{" + strings.Join(labels, ",") + "}"
			}
			out[line] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return out
}

func TestTheAdminAPITellsAndDrains(t *testing.T) {
	w := newWorld(t, 0)
	e := w.withCaddy(t, "", "")
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 1000)}, e.testEdge)
	w.replicate(t, e.testEdge, p)
	call := func(handler func(http.ResponseWriter, *http.Request) error, method, body string) *httptest.ResponseRecorder {
		t.Helper()
		recorder := httptest.NewRecorder()
		if err := handler(recorder, httptest.NewRequest(method, "/", strings.NewReader(body))); err != nil {
			t.Fatal(err)
		}
		return recorder
	}
	var told struct{ Edges []status }
	if err := json.Unmarshal(call(adminStatus, "GET", "").Body.Bytes(), &told); err != nil {
		t.Fatal(err)
	}
	if len(told.Edges) != 1 || !told.Edges[0].Ready || told.Edges[0].ID != e.id || len(told.Edges[0].Units) != 1 || told.Edges[0].LastBeat == nil {
		t.Errorf("status %+v", told)
	}
	call(adminDrain, "POST", "")
	if r, err := http.Get(e.plain + "/readyz"); err != nil || r.StatusCode != 503 {
		t.Errorf("draining: %v, %v", r.StatusCode, err)
	}
	call(adminDrain, "POST", `{"draining":false}`)
	if r, err := http.Get(e.plain + "/readyz"); err != nil || r.StatusCode != 200 {
		t.Errorf("not draining any more: %v, %v", r.StatusCode, err)
	}
	if err := adminDrain(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(`{"drain":true}`))); err == nil {
		t.Error("an order with a mistake was taken")
	}
}
