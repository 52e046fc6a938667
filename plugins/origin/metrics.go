package caddyorigin

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// ours tells the paths that an origin answers.
func ours(path string) bool {
	if path == "/healthz" {
		return true
	}
	for _, door := range []string{"/v1/files", "/v1/list", "/v1/uploads", "/v1/bundles", "/v1/assets", "/v1/work"} {
		if rest, ok := strings.CutPrefix(path, door); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// collector shows an origin's counters to Prometheus, once it is open.
type collector struct {
	hold    *hold
	metrics []metric
}

type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	label []string
	read  func(*running) int64
}

// register shows the counters in a configuration's registry. Two sites may have
// one origin: the second registration is the same and is left out.
func register(registry *prometheus.Registry, h *hold, dir string) {
	c := &collector{hold: h}
	add := func(name, help string, kind prometheus.ValueType, read func(*running) int64, label ...string) {
		var names []string
		if len(label) > 0 {
			names = []string{"class"}
		}
		c.metrics = append(c.metrics, metric{prometheus.NewDesc("stratos_origin_"+name, help, names, prometheus.Labels{"dir": dir}), kind, label, read})
	}
	counter, gauge := prometheus.CounterValue, prometheus.GaugeValue
	for class := 2; class <= 5; class++ {
		add("requests_total", "Requests by class of their answer.", counter,
			func(r *running) int64 { return r.Counters().Requests[class].Load() }, string(rune('0'+class))+"xx")
	}
	add("received_bytes_total", "Bytes of uploads that were read.", counter, func(r *running) int64 { return r.Counters().BytesIn.Load() })
	add("published_total", "Names that moved to a root.", counter, func(r *running) int64 { return r.Counters().Published.Load() })
	add("removed_total", "Names that were removed.", counter, func(r *running) int64 { return r.Counters().Removed.Load() })
	add("expired_total", "Uploads and bundles that expired.", counter, func(r *running) int64 { return r.Counters().Expired.Load() })
	add("refused_total", "Requests refused by quota or rate.", counter, func(r *running) int64 { return r.Counters().Refused.Load() })
	add("videos_ready_total", "Videos that were made and published.", counter, func(r *running) int64 { return r.Counters().VideosReady.Load() })
	add("videos_failed_total", "Videos that could not be made.", counter, func(r *running) int64 { return r.Counters().VideosFailed.Load() })
	add("video_states_total", "States shown of videos that were still being made.", counter, func(r *running) int64 { return r.Counters().VideoStates.Load() })
	add("video_tasks_total", "Tasks that workers did.", counter, func(r *running) int64 { return r.Counters().TasksDone.Load() })
	add("video_tasks_failed_total", "Tasks that failed or lost their worker, and were given to another.", counter, func(r *running) int64 { return r.Counters().TasksFailed.Load() })
	add("webhooks_total", "Webhooks that their receivers took.", counter, func(r *running) int64 { return r.Counters().HooksSent.Load() })
	add("webhooks_dropped_total", "Webhooks given up.", counter, func(r *running) int64 { return r.Counters().HooksDropped.Load() })
	add("blocks_durable_total", "Blocks that became durable on all their edges.", counter, func(r *running) int64 { return r.Counters().Pipeline.Blocks.Load() })
	add("durable_bytes_total", "Bytes of such blocks, each counted once.", counter, func(r *running) int64 { return r.Counters().Pipeline.Bytes.Load() })
	add("write_failures_total", "Writes to edges that failed and were tried again.", counter, func(r *running) int64 { return r.Counters().Pipeline.Failures.Load() })
	add("edges_replaced_total", "Edges replaced in the middle of an upload.", counter, func(r *running) int64 { return r.Counters().Pipeline.Replaced.Load() })
	add("blocks_filled_total", "Blocks copied to replacements.", counter, func(r *running) int64 { return r.Counters().Pipeline.Filled.Load() })
	add("in_flight_bytes", "Bytes of blocks on their way to edges.", gauge, func(r *running) int64 { return r.Counters().Pipeline.InFlight.Load() })
	add("uploads", "Requests with a body under way.", gauge, func(r *running) int64 { return r.Counters().Uploads.Load() })
	add("open_uploads", "tus uploads that wait for more.", gauge, func(r *running) int64 { return r.Counters().OpenUploads.Load() })
	add("open_bundles", "Bundles that are not published.", gauge, func(r *running) int64 { return r.Counters().OpenBundles.Load() })
	_ = registry.Register(c) // the only error is that it is there already
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	r := c.hold.running.Load()
	if r == nil {
		return
	}
	for _, m := range c.metrics {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, float64(m.read(r)), m.label...)
	}
}
