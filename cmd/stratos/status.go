package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/meta"
)

func (c *cli) status() *cobra.Command {
	var watch time.Duration
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show edges, units, repairs and what is short of replicas",
		Example: "  stratos status\n  stratos status --watch 2s\n  stratos status --json | jq .Edges",
		Args:    cobra.NoArgs,
	}
	o := c.addOperator(cmd)
	cmd.Flags().DurationVar(&watch, "watch", 0, "show again at this interval until Ctrl-C")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := c.operator(o)
		if err != nil {
			return err
		}
		for {
			s, err := client.Status(cmd.Context())
			if err != nil {
				return fail(exitUnreachable, "`stratos doctor` looks for what is wrong", err)
			}
			if err := c.print(statusJSON(s), describeStatus(s)); err != nil {
				return err
			}
			if watch <= 0 {
				return nil
			}
			select {
			case <-time.After(watch):
			case <-cmd.Context().Done():
				return nil
			}
		}
	}
	return cmd
}

// statusJSON writes states as words.
func statusJSON(s *meta.Status) any {
	type edge struct {
		meta.EdgeStatus
		State string
	}
	out := struct {
		*meta.Status
		Edges []edge
	}{Status: s}
	for _, e := range s.Edges {
		out.Edges = append(out.Edges, edge{e, stateName(e.State)})
	}
	return out
}

func stateName(s meta.EdgeState) string {
	switch s {
	case meta.Joining:
		return "joining"
	case meta.Live:
		return "live"
	case meta.Suspect:
		return "suspect"
	case meta.Draining:
		return "draining"
	case meta.Down:
		return "down"
	}
	return fmt.Sprintf("state %d", s)
}

func describeStatus(s *meta.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "chain %s  epoch %d  journal %d  names %d  units %d  views in %s\n\n", s.ChainID, s.Epoch, s.JournalHeight, s.Names, s.Units, s.StoreKind)
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "EDGE\tSTATE\tREGION\tOPERATOR\tUNITS\tPINNED FREE\tSENDING\tLAST BEAT\tOUTSIDE\tURL")
	for _, e := range s.Edges {
		url := e.TLSURL
		if url == "" {
			url = e.URL
		}
		beat := "never"
		if !e.LastBeat.IsZero() {
			beat = time.Since(e.LastBeat).Round(100*time.Millisecond).String() + " ago"
		}
		outside := "-"
		if len(e.Dials) > 0 {
			outside, _ = judgeOutside(&e)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%s\t%.1f Mb/s\t%s\t%s\t%s\n", e.ID, stateName(e.State), e.Region, e.Operator, e.Units,
			size(e.Load.PinnedFree), float64(e.Load.Sending)/1e6, beat, outside, url)
	}
	w.Flush()
	for i := range s.Edges {
		e := &s.Edges[i]
		if result, _ := judgeOutside(e); result != "ok" && len(e.Dials) > 0 {
			fmt.Fprintf(&b, "\nedge %d from outside: %s\n", e.ID, fromOutside(e))
		}
	}
	if s.RepairHalted {
		fmt.Fprintf(&b, "\nrepair is halted: %s\n", s.RepairReason)
	}
	for _, r := range s.Repairs {
		fmt.Fprintf(&b, "repairing %s: %d of %d replicas, to edge %d, about %s\n", r.Name, r.Live, r.Wanted, r.Target, r.Expected.Round(time.Second))
	}
	for _, d := range s.Degraded {
		fmt.Fprintf(&b, "degraded %s: %d live replicas; %s\n", d.Name, d.Live, d.Shortfall)
	}
	return strings.TrimRight(b.String(), "\n")
}
