package caddymeta

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stratos-mesh/stratos/meta"
)

// collector shows what a meta node knows to Prometheus, once it is open.
type collector struct {
	hold  *hold
	edges *prometheus.Desc
	up    *prometheus.Desc
	gauge []gauge
}

type gauge struct {
	desc *prometheus.Desc
	read func(*meta.Status) float64
}

func newCollector(p *hold) *collector {
	c := &collector{
		hold:  p,
		edges: prometheus.NewDesc("stratos_meta_edges", "Edges by the meta node's judgement of them.", []string{"state"}, nil),
		up:    prometheus.NewDesc("stratos_meta_up", "1 when the meta node is open and its store answers.", nil, nil),
	}
	add := func(name, help string, read func(*meta.Status) float64) {
		c.gauge = append(c.gauge, gauge{prometheus.NewDesc(name, help, nil, nil), read})
	}
	add("stratos_repair_halted", "1 while repair is halted, because many edges went silent at once.", func(s *meta.Status) float64 {
		if s.RepairHalted {
			return 1
		}
		return 0
	})
	add("stratos_meta_journal_height", "Records in the journal.", func(s *meta.Status) float64 { return float64(s.JournalHeight) })
	add("stratos_meta_epoch", "The epoch under way.", func(s *meta.Status) float64 { return float64(s.Epoch) })
	add("stratos_meta_names", "Names that point to a root.", func(s *meta.Status) float64 { return float64(s.Names) })
	add("stratos_meta_roots", "Roots that are kept.", func(s *meta.Status) float64 { return float64(s.Roots) })
	add("stratos_meta_units", "Units that are placed.", func(s *meta.Status) float64 { return float64(s.Units) })
	add("stratos_meta_units_recovered", "Units repaired since the start.", func(s *meta.Status) float64 { return float64(s.RecoveredUnits) })
	add("stratos_meta_units_degraded", "Units whose placement falls short of a preference.", func(s *meta.Status) float64 { return float64(len(s.Degraded)) })
	add("stratos_meta_repairs", "Repairs under way or waiting.", func(s *meta.Status) float64 { return float64(len(s.Repairs)) })
	add("stratos_meta_revocations", "Number of the newest revocation.", func(s *meta.Status) float64 { return float64(s.Revocations) })
	add("stratos_meta_uptime_seconds", "Time since the meta node was opened.", func(s *meta.Status) float64 { return float64(s.UptimeSeconds) })
	return c
}

// register shows a meta node in a configuration's registry. Two sites may have
// the same meta node: it is shown once.
func register(registry *prometheus.Registry, p *hold) error {
	err := registry.Register(newCollector(p))
	if already := (prometheus.AlreadyRegisteredError{}); errors.As(err, &already) {
		return nil
	}
	return err
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	out <- c.edges
	out <- c.up
	for _, g := range c.gauge {
		out <- g.desc
	}
}

// Collect implements prometheus.Collector. It asks for the status once a scrape;
// a meta node that does not answer shows stratos_meta_up 0 and nothing else.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	send := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	running := c.hold.running.Load()
	if running == nil {
		send(c.up, 0)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	status, err := running.Status(ctx)
	if err != nil {
		send(c.up, 0)
		return
	}
	send(c.up, 1)
	count := map[meta.EdgeState]int{}
	for _, e := range status.Edges {
		count[e.State]++
	}
	for state, name := range map[meta.EdgeState]string{
		meta.Joining: "joining", meta.Live: "live", meta.Suspect: "suspect", meta.Draining: "draining", meta.Down: "down",
	} {
		send(c.edges, float64(count[state]), name)
	}
	for _, g := range c.gauge {
		send(g.desc, g.read(status))
	}
}
