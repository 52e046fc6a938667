package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/internal/devnet"
	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metahttp"
)

func (c *cli) up() *cobra.Command {
	var plan devnet.Plan
	var metas, validators, workers int
	var detach bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a whole network on this machine, or resume one",
		Long: `Starts a meta node, a router, an origin and edges as separate processes on
loopback, and writes where they are to DIR/network.json. On a folder that holds
a network already, the same network comes back with all its content.`,
		Example: `  stratos up --edges 5
  stratos up --dir /tmp/net --edges 3 --detach && stratos status --dir /tmp/net`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case metas != 1:
				return usage("--metas %d: several meta nodes agree through the chain, which this version does not have; run one", metas)
			case validators != 0:
				return usage("--validators %d: this version has no chain; leave it at 0", validators)
			}
			plan.Dir = c.dir
			if cmd.Flags().Changed("workers") {
				plan.Workers = &workers
			}
			if !cmd.Flags().Changed("edges") {
				if n, err := devnet.Load(c.dir); err == nil {
					plan.Edges = len(n.Edges)
				}
			}
			return c.runUp(cmd.Context(), plan, detach)
		},
	}
	f := cmd.Flags()
	f.IntVar(&plan.Edges, "edges", 5, "edges to run; a resumed network keeps its number")
	f.IntVar(&metas, "metas", 1, "meta nodes to run")
	f.IntVar(&validators, "validators", 0, "validators of the chain to run")
	f.StringVar(&plan.Redis, "redis", "", "keep the meta node's views in this Redis (redis://HOST:PORT/DB)")
	f.StringSliceVar(&plan.GeoIP, "geoip", nil, "GeoIP databases for the router")
	f.StringVar(&plan.Memory, "memory", "", "memory for hot content, each edge (default 64MiB)")
	f.StringVar(&plan.Pinned, "pinned", "", "disk for replicas, each edge (default 10GB)")
	f.StringVar(&plan.Cached, "cached", "", "disk for cached content, each edge (default 1GB)")
	f.StringVar(&plan.Grace, "grace", "", "time that removed content rests before it goes (default 168h)")
	f.IntVar(&workers, "workers", 0, "pieces of videos that the origin encodes at a time; 0 leaves them to stratos worker (default half the processors)")
	f.BoolVar(&plan.NoSandbox, "no-sandbox", false, "encode videos also where ffmpeg cannot be confined")
	f.BoolVar(&detach, "detach", false, "return when the network is ready and leave it running")
	return cmd
}

func (c *cli) runUp(ctx context.Context, plan devnet.Plan, detach bool) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if err := plan.Validate(); err != nil {
		return usage("%w", err)
	}
	started := time.Now()
	n, err := devnet.Up(ctx, program, plan, devnet.Hooks{
		Admit:    admitNodes,
		Settled:  settled,
		APIKey:   func(keyFile string) (string, error) { return createAPIKey(keyFile) },
		Progress: func(step string) { c.note("%s", step) },
	})
	if err != nil {
		return err
	}
	c.note("ready in %s", time.Since(started).Round(10*time.Millisecond))
	for _, name := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(name); err != nil {
			c.note("%s is missing, so the origin refuses videos; all else works (Debian: apt-get install ffmpeg)", name)
			break
		}
	}
	if c.json {
		if err := c.print(n, ""); err != nil {
			return err
		}
	} else {
		c.describe(n)
	}
	if detach {
		return nil
	}
	c.note("Ctrl-C stops the network")
	<-ctx.Done()
	c.note("stopping")
	return devnet.Down(context.WithoutCancel(ctx), c.dir)
}

func (c *cli) describe(n *devnet.Network) {
	fmt.Fprintf(c.out, "router  %s\norigin  %s\nmeta    %s\n", n.Router, n.Origin, n.Meta[0])
	for _, e := range n.Edges {
		fmt.Fprintf(c.out, "edge %-2d %s  %s  %s\n", e.ID, e.URL, e.TLSURL, e.Region)
	}
	fmt.Fprintf(c.out, "CA      %s\n", n.CA)
}

// admitNodes registers the nodes of a development network with the operator's key.
func admitNodes(ctx context.Context, base string, operator ed25519.PrivateKey, nodes []devnet.Node) ([]uint32, error) {
	client := operatorClient(base, operator)
	kinds := map[string]meta.NodeKind{"edge": meta.EdgeNode, "origin": meta.OriginNode, "router": meta.RouterNode}
	ids := make([]uint32, len(nodes))
	for i, n := range nodes {
		e := n.Edge
		id, err := client.Admit(ctx, meta.Admission{Kind: kinds[n.Kind], Key: n.Key, Edge: meta.Edge{
			Key: n.Key, URL: e.URL, TLSURL: e.TLSURL, Region: e.Region, Operator: e.Operator, Lat: e.Lat, Lon: e.Lon,
			// One network of its own for each, as hosts in the world have.
			ASN: uint32(64512 + i), Capacity: 1e9, Weight: 8,
		}})
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", n.Kind, filepath.Base(e.Dir), err)
		}
		ids[i] = uint32(id)
	}
	return ids, nil
}

func operatorClient(base string, operator ed25519.PrivateKey) *metahttp.Client {
	return metahttp.NewClient(metahttp.ClientConfig{
		URLs: []string{base}, Signer: nodeauth.NewSigner(operator), HTTP: &http.Client{Timeout: 10 * time.Second},
	})
}

// settled waits until all edges are live and have told what room they have.
func settled(ctx context.Context, base string, operator ed25519.PrivateKey, edges int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client := operatorClient(base, operator)
	for {
		s, err := client.Status(ctx)
		if err == nil {
			ready := 0
			for _, e := range s.Edges {
				if e.State == meta.Live && e.Load.PinnedFree > 0 {
					ready++
				}
			}
			if ready >= edges {
				return nil
			}
			err = fmt.Errorf("%d of %d edges are live", ready, edges)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the network does not settle: %w; `stratos status` shows more", err)
		}
	}
}
