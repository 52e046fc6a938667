// Command bench measures delivery side by side: an edge of a real network, with
// tickets and metering on, against a Caddy handler that only writes the same
// bytes from memory, nginx, Varnish and Caddy's file_server. All serve the same
// files on loopback; rounds alternate, so that the machine's drift hits all.
//
// It prints, for each workload and peer, the median ratio over the rounds with
// its bootstrap interval: of requests per second, and of CPU time of the server
// process per request, which the load generator does not disturb.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

type options struct {
	what      string
	stratos   string
	rounds    int
	seconds   float64
	workloads string
	peers     string
	parts     string
	dir       string
}

func main() {
	// The program is its own baseline server: `bench run --config …` is Caddy.
	if len(os.Args) > 1 && os.Args[1] == "run" {
		caddycmd.Main()
		return
	}
	var o options
	flag.StringVar(&o.what, "what", "delivery", "delivery, transfer, idle or video")
	flag.StringVar(&o.stratos, "stratos", "bin/stratos", "program under test")
	flag.IntVar(&o.rounds, "rounds", 15, "alternating rounds of each workload")
	flag.Float64Var(&o.seconds, "seconds", 2, "length of one measurement")
	flag.StringVar(&o.workloads, "workloads", strings.Join(workloadNames(), ","), "which to run")
	flag.StringVar(&o.peers, "peers", "memory,same-head,nginx,varnish,file_server", "which to compare with")
	flag.StringVar(&o.parts, "parts", "playable,frames,stalls", "of video: which to measure")
	flag.StringVar(&o.dir, "dir", "", "folder to work in (default: a temporary one)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "stratos-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.dir)
	}
	switch o.what {
	case "delivery":
	case "transfer":
		return transfer(ctx, o)
	case "idle":
		return idle(ctx, o)
	case "video":
		return video(ctx, o)
	default:
		return fmt.Errorf("-what %s: want delivery, transfer, idle or video", o.what)
	}
	if err := writeFiles(o.dir); err != nil {
		return err
	}
	servers, stop, err := startServers(ctx, o)
	defer stop()
	if err != nil {
		return err
	}
	fmt.Printf("| workload | peer | stratos req/s | peer req/s | ratio req/s [95 %%] | stratos CPU µs/req | peer CPU µs/req | ratio CPU speed [95 %%] |\n|---|---|---|---|---|---|---|---|\n")
	for _, name := range strings.Split(o.workloads, ",") {
		w, ok := workloads()[name]
		if !ok {
			return fmt.Errorf("no workload %q: want some of %s", name, strings.Join(workloadNames(), ","))
		}
		if err := measure(ctx, o, name, w, servers); err != nil {
			return err
		}
	}
	return nil
}

// measure runs the rounds of one workload and prints a row for each peer.
func measure(ctx context.Context, o options, name string, w workload, servers []*server) error {
	var taking []*server
	for _, s := range servers {
		if s.base(w) != "" {
			taking = append(taking, s)
		}
	}
	samples := map[*server][]sample{}
	for round := range o.rounds + 1 {
		for _, s := range taking {
			one, err := w.run(ctx, o, s)
			if err != nil {
				return fmt.Errorf("%s on %s: %w", name, s.name, err)
			}
			if round > 0 { // the first warms up
				samples[s] = append(samples[s], one)
			}
		}
	}
	subject := samples[taking[0]]
	for _, peer := range taking[1:] {
		theirs := samples[peer]
		rate := ratios(subject, theirs, func(a, b sample) float64 { return a.perSecond / b.perSecond })
		cpu := ratios(subject, theirs, func(a, b sample) float64 { return b.cpu / a.cpu })
		fmt.Printf("| %s | %s | %.0f | %.0f | %s | %.1f | %.1f | %s |\n", name, peer.name,
			medianOf(subject, func(s sample) float64 { return s.perSecond }), medianOf(theirs, func(s sample) float64 { return s.perSecond }), rate,
			medianOf(subject, func(s sample) float64 { return s.cpu * 1e6 }), medianOf(theirs, func(s sample) float64 { return s.cpu * 1e6 }), cpu)
	}
	if len(taking) == 1 {
		fmt.Printf("| %s | – | %.0f | – | – | %.1f | – | – |\n", name,
			medianOf(subject, func(s sample) float64 { return s.perSecond }), medianOf(subject, func(s sample) float64 { return s.cpu * 1e6 }))
	}
	return nil
}

// sample is one measurement: requests per second, and CPU seconds of the server
// per request.
type sample struct{ perSecond, cpu float64 }

const settle = 300 * time.Millisecond
