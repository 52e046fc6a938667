package edge

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/stratos-mesh/stratos/edge/agent"
	"github.com/stratos-mesh/stratos/edge/catalog"
	"github.com/stratos-mesh/stratos/edge/fill"
	"github.com/stratos-mesh/stratos/edge/keep"
	"github.com/stratos-mesh/stratos/edge/outside"
	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/edge/revoke"
	"github.com/stratos-mesh/stratos/edge/serve"
	"github.com/stratos-mesh/stratos/edge/session"
	"github.com/stratos-mesh/stratos/edge/state"
	"github.com/stratos-mesh/stratos/edge/write"
	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/disk"
)

// node is a running edge.
type node struct {
	signer *nodeauth.Signer
	log    *slog.Logger
	// app is the newest configuration: meta nodes, roots, rates come from it.
	app atomic.Pointer[App]

	state       *state.State
	disk        *disk.Store
	peers       *peers.Table
	revocations *revoke.List
	fill        *fill.Filler
	catalog     *catalog.Catalog
	sessions    *session.Table
	keeper      *keep.Keeper
	leases      *write.Leases
	writes      *write.Handler
	viewers     *serve.Handler
	slices      *sliceDoor
	agent       *agent.Agent
	load        *gauge
	warm        *warm
	unticketed  atomic.Pointer[serve.Budget]
	healing     chan sds.CID
	unbanned    chan struct{}

	draining atomic.Bool
	begun    time.Time

	once   sync.Once
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// open makes an edge out of a configuration. It runs nothing before configure.
func open(a *App) (n *node, err error) {
	config := a.Edge.withDefaults()
	n = &node{
		signer: a.signer, log: a.log, begun: time.Now(), warm: newWarm(),
		peers: peers.NewTable(a.signer.Key()), healing: make(chan sds.CID, 64),
		unbanned: make(chan struct{}, 1),
	}
	n.app.Store(a)
	var closers []func() error
	defer func() {
		if err != nil {
			for i := len(closers) - 1; i >= 0; i-- {
				_ = closers[i]() // the first error is the one to tell
			}
		}
	}()
	if n.state, err = state.Open(filepath.Join(a.DataDir, "state"), a.log); err != nil {
		return nil, err
	}
	closers = append(closers, n.state.Close)
	network, err := n.state.Network()
	if err != nil {
		return nil, err
	}
	if network != nil {
		n.peers.Set(network)
	}
	if n.revocations, err = revoke.Open(n.state); err != nil {
		return nil, err
	}
	n.disk, err = disk.Open(disk.Config{
		Dir: filepath.Join(a.DataDir, "slices"), PinnedLimit: config.Pinned, CachedLimit: config.Cached,
		OnCorrupt: n.corrupt, Logger: a.log,
	})
	if err != nil {
		return nil, err
	}
	closers = append(closers, n.disk.Close)
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return n.app.Load().client.Transport.RoundTrip(r)
	})}
	n.fill, err = fill.New(fill.Config{
		Store: n.disk, Memory: config.Memory, Peers: n.peers, HTTP: client, Sign: a.signer.Sign,
		Revoked: n.revocations.Object, Filled: n.warm.add,
	})
	if err != nil {
		return nil, err
	}
	closers = append(closers, n.fill.Close)
	err = n.wire(config, client)
	return n, err
}

// wire makes the parts that need no closing.
func (n *node) wire(config EdgeConfig, client *http.Client) (err error) {
	n.keeper, err = keep.Open(keep.Config{
		Store: n.disk, Forget: n.fill.Memory().Forget, Fill: n.fill, State: n.state, Banned: n.revocations.Object,
		Changed: func(root [32]byte) { n.catalog.Forget(root) }, Logger: n.log, Now: time.Now,
		ShardSize: n.app.Load().shardSize,
	})
	if err != nil {
		return err
	}
	n.catalog, err = catalog.New(catalog.Config{
		Index: index{n}, Getter: n.fill.Getter, Assigned: n.keeper.Assigned,
		RootRevoked: n.revocations.Root, Revoked: n.revocations.Object,
		ChainID: func() string { return n.peers.Now().ChainID }, Keeps: n.keeper.Keeps, ShardSize: n.app.Load().shardSize,
	})
	if err != nil {
		return err
	}
	if n.leases, err = write.OpenLeases(n.state, n.keeper.Spare, time.Now); err != nil {
		return err
	}
	n.sessions = session.NewTable(session.Config{Peers: n.peers, Draining: n.isDraining})
	n.writes = write.New(write.Config{
		Store: n.disk, Leases: n.leases, Peers: n.peers, HTTP: client, Sign: n.signer.Sign, Banned: n.revocations.Object,
	})
	n.slices = newSlices(n)
	n.unticketed.Store(serve.NewBudget(config.ServeUnticketed, nil))
	n.viewers = serve.New(serve.Config{
		Sessions: n.sessions, Catalog: n.catalog, Fill: n.fill, Peers: n.peers,
		Routers: serve.NewRouters(n.peers, client), Unticketed: n.unticketed.Load, Held: n.keeper.Held,
		Flying: 2 * config.Memory, Wire: wireOf,
		Warn: func(message string, err error) { n.log.Debug(message, "error", err) },
	})
	dialler := &outside.Dialler{
		ChainID: func() string { return n.peers.Now().ChainID }, Roots: func() *x509.CertPool { return n.app.Load().roots() },
	}
	n.load = newGauge(n)
	n.agent = agent.New(agent.Config{
		Meta: caller{n}, Peers: n.peers, State: n.state, Keeper: n.keeper, Revocations: n.revocations,
		Revoked: n.revoked, Load: n.load.read, Accepted: n.sessions.Accepted, Cached: n.warm.filter,
		Draining: n.asksToDrain, Dial: dialler.Dial, Version: version(), Logger: n.log,
	})
	return nil
}

// configure gives a running edge a new configuration, and starts it the first
// time. What lies in memory and on disk stays, as far as new budgets let it.
func (n *node) configure(a *App) {
	old := n.app.Swap(a)
	if old != a && old.Edge != nil {
		was, is := old.Edge.withDefaults(), a.Edge.withDefaults()
		if was.Memory != is.Memory {
			n.fill.Memory().SetBytes(is.Memory)
			n.viewers.SetFlying(2 * is.Memory)
		}
		if was.Pinned != is.Pinned || was.Cached != is.Cached {
			n.disk.SetLimits(is.Pinned, is.Cached)
		}
		if was.ServeUnticketed != is.ServeUnticketed {
			n.unticketed.Store(serve.NewBudget(is.ServeUnticketed, nil))
		}
	}
	n.once.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		n.cancel = cancel
		n.wg.Go(func() { n.agent.Run(ctx) })
		n.wg.Go(func() { n.tidy(ctx) })
		n.wg.Go(func() { n.heal(ctx) })
		n.wg.Go(func() { n.scrub(ctx) })
	})
}

// Destruct ends the edge, after the last configuration let go of it.
func (n *node) Destruct() error {
	n.draining.Store(true)
	n.once.Do(func() { n.cancel = func() {} })
	n.cancel()
	n.wg.Wait()
	var errs []error
	for _, closing := range []func() error{n.fill.Close, n.disk.Close, n.state.Close} {
		if err := closing(); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("stratos: close the edge: %w", errs[0])
	}
	return nil
}

// isDraining tells that no new sessions are taken: the process is about to
// exit, the operator asked for it, or the meta node did.
func (n *node) isDraining() bool {
	if n.asksToDrain() {
		return true
	}
	self := n.peers.Now().Self
	return self != nil && self.State == meta.Draining
}

// asksToDrain is what the meta node is told: this edge's own reasons alone. Its
// word back would keep an edge draining for ever that only started again.
func (n *node) asksToDrain() bool { return n.draining.Load() || caddy.Exiting() }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
