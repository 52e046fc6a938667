package edge

import (
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stratos-mesh/stratos/edge/serve"
)

// collector reads an edge's counters when somebody asks for metrics, so that
// counting costs the hot path an atomic addition and nothing else.
type collector struct{ node func() *node }

// registerMetrics adds the edge's metrics to a configuration's registry.
func registerMetrics(registry *prometheus.Registry, node func() *node) error {
	return registry.Register(collector{node})
}

// descriptions of the metrics, by name: docs/metrics.md lists them.
type descriptions map[string]*prometheus.Desc

func describe() descriptions {
	d := descriptions{}
	add := func(name, help string, labels ...string) {
		d[name] = prometheus.NewDesc("stratos_edge_"+name, help, labels, nil)
	}
	add("requests_total", "Answers to viewers, by the class of their ticket and by status; status other is any not listed.", "class", "status")
	add("sent_bytes_total", "Bytes of bodies sent to viewers, by where they came from: here, or another edge.", "from")
	add("broken_answers_total", "Answers that ended before their last byte.")
	add("unticketed_answers_total", "Answers given away while no router answered.")
	add("requests_in_flight", "Answers to viewers under way.")
	add("held_bytes", "Bytes of slices that answers under way hold, besides the cache.")
	add("sessions", "Sessions in memory.")
	add("fills_total", "Blocks fetched from other edges and verified.")
	add("fill_bytes_total", "Bytes fetched from other edges and verified.")
	add("fills_collapsed_total", "Requests that shared another one's fetch.")
	add("fills_raced_total", "Fetches that asked a second source before the first had answered.")
	add("fills_failed_total", "Fetches that no source answered.")
	add("fills_unstored_total", "Blocks that were served but not kept, because queue or budget was full.")
	add("slices_read_total", "Blocks that other nodes read here.")
	add("slices_read_bytes_total", "Bytes of blocks that other nodes read here.")
	add("corrupt_total", "Blocks that did not hash to their name, by where: on this disk, or sent by a peer.", "where")
	add("memory_hits_total", "Reads of blocks answered from memory.")
	add("memory_misses_total", "Reads of blocks that were not in memory.")
	add("store_bytes", "Bytes of blocks kept, by class.", "class")
	add("store_limit_bytes", "Budget of a class in bytes; 0 is none.", "class")
	add("store_blocks", "Blocks kept, by class.", "class")
	add("units", "Units that this edge holds, by state.", "state")
	add("uploads", "Uploads whose slices are leased here.")
	add("revocation", "Number of the newest revocation in force.")
	add("last_beat_timestamp_seconds", "When a meta node last answered a heartbeat; 0 is never.")
	add("draining", "1 while no new sessions are taken.")
	d["build_info"] = prometheus.NewDesc("stratos_build_info", "This build; always 1.", []string{"version", "goversion"}, nil)
	return d
}

// Describe sends the descriptions.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range describe() {
		ch <- d
	}
}

// Collect reads the counters.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	d := describe()
	counter := func(name string, value int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d[name], prometheus.CounterValue, float64(value), labels...)
	}
	gauge := func(name string, value int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d[name], prometheus.GaugeValue, float64(value), labels...)
	}
	gauge("build_info", 1, version(), runtime.Version())
	n := c.node()
	if n == nil {
		return
	}
	v := &n.viewers.Counters
	v.Requests(func(label serve.ClassLabel, status int, count int64) {
		text := "other"
		if status != 0 {
			text = strconv.Itoa(status)
		}
		counter("requests_total", count, label.String(), text)
	})
	counter("sent_bytes_total", v.HitBytes.Load(), "here")
	counter("sent_bytes_total", v.MissBytes.Load(), "edge")
	counter("broken_answers_total", v.BrokenOff.Load())
	counter("unticketed_answers_total", v.Unticketed.Load())
	gauge("requests_in_flight", n.viewers.UnderWay())
	held, _ := n.viewers.Held()
	gauge("held_bytes", held)
	gauge("sessions", n.sessions.Len())

	f := &n.fill.Counters
	counter("fills_total", f.Fills.Load())
	counter("fill_bytes_total", f.FillBytes.Load())
	counter("fills_collapsed_total", f.Collapsed.Load())
	counter("fills_raced_total", f.Raced.Load())
	counter("fills_failed_total", f.Failed.Load())
	counter("fills_unstored_total", f.Unstored.Load())

	counter("slices_read_total", n.slices.sent.Load())
	counter("slices_read_bytes_total", n.slices.sentBytes.Load())

	stats, memory := n.disk.Stats(), n.fill.Memory().Stats()
	counter("corrupt_total", stats.Corrupt, "disk")
	counter("corrupt_total", f.Corrupt.Load(), "peer")
	counter("memory_hits_total", memory.Hits)
	counter("memory_misses_total", memory.Misses)
	for class, budget := range map[string]usage{
		"pinned": usage(stats.Pinned), "cached": usage(stats.Cached),
		"memory": {Bytes: memory.Bytes, Blocks: memory.Blocks, Limit: memory.Limit},
	} {
		gauge("store_bytes", budget.Bytes, class)
		gauge("store_limit_bytes", budget.Limit, class)
		gauge("store_blocks", budget.Blocks, class)
	}
	var complete, partial int64
	for _, u := range n.keeper.Units() {
		if u.Complete {
			complete++
		} else {
			partial++
		}
	}
	gauge("units", complete, "complete")
	gauge("units", partial, "partial")
	gauge("uploads", int64(n.leases.Len()))
	gauge("revocation", int64(n.revocations.Number()))
	last := int64(0)
	if at := n.agent.LastBeat(); !at.IsZero() {
		last = at.Unix()
	}
	gauge("last_beat_timestamp_seconds", last)
	draining := int64(0)
	if n.isDraining() {
		draining = 1
	}
	gauge("draining", draining)
}
