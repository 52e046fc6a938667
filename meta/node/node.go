// Package node puts a meta node together: the journal and its index, the issuer,
// and the state machines that watch the edges. A Node answers all of meta.Meta
// in process; package metahttp carries it over RPC.
//
// A node's folder:
//
//	journal/   what was acknowledged: the only thing to back up
//	views/     the views that the journal names, a file each
//	store/     the embedded view store; may be deleted, is rebuilt
//	tickets/   the issuer's sequence and ticket log
//
// One goroutine, follow, applies the journal; everybody else appends to it and
// waits until follow has come by. So an answer never runs ahead of the index,
// and a journal that other meta nodes append to works as well.
package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
	"github.com/stratos-mesh/stratos/meta/inventory"
	"github.com/stratos-mesh/stratos/meta/issue"
	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/place"
	"github.com/stratos-mesh/stratos/meta/repair"
	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/sds"
)

// Config of a Node.
type Config struct {
	// Dir holds everything; it is made when it is not there.
	Dir string
	// ChainID names the network: nothing signed for another one is good here.
	ChainID string
	// Key signs as Authority: tickets, grants, revocations, journal records.
	Key       ed25519.PrivateKey
	Authority uint16
	// Operators may admit, drain and revoke, and sign invitations.
	Operators []ed25519.PublicKey
	// OperatorName is whose meta node this is, in the words that its edges name
	// their operator: no ticket names one of them. Empty leaves the rule off.
	OperatorName string
	// RedisURL of the view store; empty is the embedded one.
	RedisURL string
	// Replicas of what does not say how many; 0 is 3.
	Replicas int
	// Routers and Metas are base URLs handed out beside the admitted ones.
	Routers, Metas []string
	// Development networks beat every second and find edges down after 5 s.
	Development bool
	// Grace that a root without a name rests; 0 is 7 days.
	Grace time.Duration
	// EpochLength; 0 is 10 minutes, in development 30 s.
	EpochLength time.Duration
	// CompactBytes of journal records, or twice what they came to the last time,
	// are replaced by what followed from them; 0 is 256 MiB.
	CompactBytes int64
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger; nil is slog.Default.
	Logger *slog.Logger
}

func (cfg Config) withDefaults() Config {
	if cfg.Replicas == 0 {
		cfg.Replicas = 3
	}
	if cfg.Grace == 0 {
		cfg.Grace = 7 * 24 * time.Hour
	}
	if cfg.EpochLength == 0 {
		cfg.EpochLength = 10 * time.Minute
		if cfg.Development {
			cfg.EpochLength = 30 * time.Second
		}
	}
	if cfg.CompactBytes == 0 {
		cfg.CompactBytes = 256 << 20
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return cfg
}

// Validate says what is wrong with a configuration.
func (cfg Config) Validate() error {
	switch {
	case cfg.Dir == "":
		return errors.New("meta node: a folder is needed")
	case !receipt.ValidChainID(cfg.ChainID):
		return fmt.Errorf("meta node: %q cannot be a chain id: 1 to 50 letters, digits, - _ or full stops", cfg.ChainID)
	case len(cfg.Key) != ed25519.PrivateKeySize:
		return errors.New("meta node: a key is needed")
	case cfg.Authority == 0:
		return errors.New("meta node: authorities count from 1")
	case len(cfg.OperatorName) > place.MaxText:
		return fmt.Errorf("meta node: an operator's name has at most %d bytes", place.MaxText)
	case cfg.Replicas < 0 || cfg.Replicas > meta.MaxReplicas:
		return fmt.Errorf("meta node: %d replicas, want 1 to %d", cfg.Replicas, meta.MaxReplicas)
	}
	return nil
}

// Node is a meta node in this process.
type Node struct {
	cfg     Config
	started time.Time
	store   viewstore.Store
	journal *journal.File
	index   *index.Index
	issuer  *issue.Issuer
	// inventory believes what edges hold; it locks itself.
	inventory *inventory.Inventory
	// repair gives out work, numbers numbers it, heat counts sessions; they lock
	// themselves.
	repair  *repair.Scheduler
	numbers *repair.Numbers
	heat    *repair.Heat
	// repairSoon is told that something new is kept.
	repairSoon chan struct{}
	names      lockedNames
	// growing has the bundles that are still being made; it locks itself.
	growing *growing
	// revoking serialises revocations, whose numbers grow by one; taken after
	// names.
	revoking sync.Mutex
	// viewing has one view published at a time.
	viewing sync.Mutex

	stop context.CancelFunc
	done sync.WaitGroup

	applied progress
	roster  atomic.Pointer[roster]
	banned  atomic.Pointer[bans]

	mu               sync.Mutex // guards what follows; never held across I/O
	nodes            map[string]*journal.Admitted
	fleet            *fleet
	wanted           *wanted
	newestRevocation uint64
	view             *place.View
	viewCID          sds.CID
	network          directory
	recovered        int64 // units that repair brought to an edge
}

var _ meta.Meta = (*Node)(nil)

// Open opens or begins a meta node's folder, brings the index up to the journal,
// and starts to follow it.
func Open(cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	n := &Node{
		cfg: cfg, started: cfg.Now(),
		nodes:   make(map[string]*journal.Admitted),
		view:    &place.View{},
		fleet:   newFleet(cfg),
		wanted:  newWanted(),
		growing: newGrowing(),
		network: newDirectory(cfg.Now()),
		heat:    repair.NewHeat(repair.HeatConfig{Now: cfg.Now}),

		repairSoon: make(chan struct{}, 1),
		applied:    newProgress(),
	}
	n.roster.Store(newRoster(n.fleet, n.cfg.OperatorName))
	n.banned.Store(&bans{})
	if err := n.open(); err != nil {
		return nil, errors.Join(err, n.close())
	}
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	if err := n.catchUp(ctx); err != nil {
		stop()
		return nil, errors.Join(err, n.close())
	}
	n.done.Go(func() { n.follow(ctx) })
	n.done.Go(func() { n.tick(ctx) })
	return n, nil
}

func (n *Node) open() (err error) {
	if n.journal, err = journal.OpenFile(journal.Config{Dir: filepath.Join(n.cfg.Dir, "journal"), SegmentBytes: n.cfg.CompactBytes / 4}); err != nil {
		return err
	}
	if n.store, err = openStore(n.cfg); err != nil {
		return fmt.Errorf("meta node: view store: %w", err)
	}
	n.index = index.New(n.store)
	n.inventory = inventory.New(inventory.Config{Scope: n.store.Scope("inventory")})
	if err := n.inventory.Load(context.Background()); err != nil {
		return err
	}
	if n.numbers, err = repair.OpenNumbers(context.Background(), n.store.Scope("repair"), n.cfg.Now); err != nil {
		return err
	}
	plan := repair.Defaults(n.cfg.Development)
	plan.Number, plan.Now = n.numbers.Next, n.cfg.Now
	n.repair = repair.New(plan)
	n.issuer, err = issue.Open(issue.Config{
		Dir: filepath.Join(n.cfg.Dir, "tickets"), ChainID: n.cfg.ChainID, Key: n.cfg.Key, Authority: n.cfg.Authority,
		EpochLength: n.cfg.EpochLength, Known: n.knownEdge, Own: n.ownEdge, Banned: n.isBanned, Now: n.cfg.Now, Logger: n.cfg.Logger,
	})
	return err
}

func openStore(cfg Config) (viewstore.Store, error) {
	if cfg.RedisURL != "" {
		return viewstore.NewRedis(viewstore.RedisConfig{URL: cfg.RedisURL, Network: cfg.ChainID})
	}
	return viewstore.OpenEmbedded(viewstore.Config{Dir: filepath.Join(cfg.Dir, "store"), Now: cfg.Now, Logger: cfg.Logger})
}

// Close stops the node. What was acknowledged is on disk already.
func (n *Node) Close() error {
	n.stop()
	n.done.Wait()
	n.network.close()
	return n.close()
}

func (n *Node) close() error {
	var errs []error
	if n.issuer != nil {
		errs = append(errs, n.issuer.Close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if n.journal != nil {
		errs = append(errs, n.journal.Close())
	}
	return errors.Join(errs...)
}
