package router

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/router/geo"
)

// metrics counts what a router does. It is a Collector of its own, so that it
// may be registered again with every new configuration of a server and keeps
// its counts.
type metrics struct {
	memory     *Memory
	decisions  *prometheus.CounterVec
	seconds    prometheus.Histogram
	signed     *prometheus.CounterVec
	redirects  *prometheus.CounterVec
	problems   *prometheus.CounterVec
	age, edges *prometheus.Desc
}

func newMetrics(m *Memory) *metrics {
	return &metrics{
		memory: m,
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stratos_router_decisions_total", Help: "Rankings, by the source that placed the client.",
		}, []string{"source"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "stratos_router_decision_seconds", Help: "Time to place a client and rank the edges for it.",
			Buckets: []float64{5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 2e-2},
		}),
		signed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stratos_router_tickets_total", Help: "Tickets asked for, by outcome: issued, failed, refused because too many wait.",
		}, []string{"outcome"}),
		redirects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stratos_router_redirects_total", Help: "Viewers sent to an edge, by kind of what they asked for.",
		}, []string{"kind"}),
		problems: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stratos_router_problems_total", Help: "Requests that were answered with an error, by status.",
		}, []string{"status"}),
		age: prometheus.NewDesc("stratos_router_snapshot_age_seconds",
			"Since a meta node last confirmed the network that this router uses.", nil, nil),
		edges: prometheus.NewDesc("stratos_router_edges", "Edges known, by whether viewers are sent to them.", []string{"routable"}, nil),
	}
}

// Describe and Collect make it a prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	m.decisions.Describe(out)
	m.seconds.Describe(out)
	m.signed.Describe(out)
	m.redirects.Describe(out)
	m.problems.Describe(out)
	out <- m.age
	out <- m.edges
}

// Collect gives the counts and what the snapshot is worth now.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	m.decisions.Collect(out)
	m.seconds.Collect(out)
	m.signed.Collect(out)
	m.redirects.Collect(out)
	m.problems.Collect(out)
	s := m.memory.network.Load()
	if s == nil {
		return
	}
	out <- prometheus.MustNewConstMetric(m.age, prometheus.GaugeValue, m.memory.now().Sub(s.seen).Seconds())
	routable := 0
	for i := range s.table.fixed {
		if s.table.fixed[i] < infinite {
			routable++
		}
	}
	out <- prometheus.MustNewConstMetric(m.edges, prometheus.GaugeValue, float64(routable), "true")
	out <- prometheus.MustNewConstMetric(m.edges, prometheus.GaugeValue, float64(len(s.table.fixed)-routable), "false")
}

func (m *metrics) ranked(source geo.Source, took time.Duration) {
	m.decisions.WithLabelValues(string(source)).Inc()
	m.seconds.Observe(took.Seconds())
}

func (m *metrics) tickets(outcome string, n int) {
	if n > 0 {
		m.signed.WithLabelValues(outcome).Add(float64(n))
	}
}

func (m *metrics) sent(kind meta.Kind) {
	name := "object"
	if kind == meta.Bundle {
		name = "bundle"
	}
	m.redirects.WithLabelValues(name).Inc()
}

func (m *metrics) problem(status int) { m.problems.WithLabelValues(strconv.Itoa(status)).Inc() }
