package devnet

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
)

// Node is a role that the meta node must admit before it can work.
type Node struct {
	// Kind is edge, origin or router.
	Kind string
	Key  ed25519.PublicKey
	Edge Edge
}

// Hooks are the steps that belong to rooms above this package.
type Hooks struct {
	// Admit registers nodes at a meta node and returns the edges' numbers in the
	// order given (0 for other kinds).
	Admit func(ctx context.Context, meta string, operator ed25519.PrivateKey, nodes []Node) ([]uint32, error)
	// Settled returns when the meta node counts the edges as live and knows what
	// room they have.
	Settled func(ctx context.Context, meta string, operator ed25519.PrivateKey, edges int) error
	// APIKey makes an API key with all rights in origin's key file.
	APIKey func(keyFile string) (string, error)
	// Progress is told each step in a few words.
	Progress func(step string)
}

// Up lays a network out (or reads the one that the folder holds), starts every
// role that does not run, and returns when all of them are ready. After an
// error the roles that were started are stopped again.
func Up(ctx context.Context, program string, plan Plan, hooks Hooks) (_ *Network, err error) {
	plan = plan.withDefaults()
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(plan.Dir)
	if err != nil {
		return nil, err
	}
	plan.Dir = dir
	hooks.Progress("laying out " + dir)
	n, operator, nodes, err := layOut(plan, hooks)
	if err != nil {
		return nil, err
	}
	before := running(n.roles(dir))
	defer func() {
		if err != nil {
			stop := context.WithoutCancel(ctx)
			for _, r := range n.roles(dir) {
				if !before[r.Name] {
					err = errors.Join(err, r.Stop(stop, 3*time.Second))
				}
			}
		}
	}()
	roles := n.roles(dir)
	hooks.Progress("starting the meta node")
	if err := startAll(ctx, program, roles[:1]); err != nil {
		return nil, err
	}
	ids, err := hooks.Admit(ctx, n.Meta[0], operator, nodes)
	if err != nil {
		return nil, fmt.Errorf("admit the nodes: %w", err)
	}
	for i := range n.Edges {
		n.Edges[i].ID = ids[i]
	}
	hooks.Progress(fmt.Sprintf("starting router, origin and %d edges", len(n.Edges)))
	if err := startAll(ctx, program, roles[1:]); err != nil {
		return nil, err
	}
	hooks.Progress("waiting for the edges' first beats")
	if err := hooks.Settled(ctx, n.Meta[0], operator, len(n.Edges)); err != nil {
		return nil, err
	}
	for i := range n.Edges {
		n.Edges[i].PID = n.edgeRole(i).PID()
	}
	return n, n.Save(dir)
}

// Down stops every role of a network, edges first, so that none of them takes
// the end of the meta node for an outage.
func Down(ctx context.Context, dir string) error {
	n, err := Load(dir)
	if err != nil {
		return err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	roles := n.roles(dir)
	var errs []error
	done := make(chan error)
	for _, r := range roles[1:] {
		go func() { done <- r.Stop(ctx, 15*time.Second) }()
	}
	for range roles[1:] {
		errs = append(errs, <-done)
	}
	return errors.Join(append(errs, roles[0].Stop(ctx, 15*time.Second))...)
}

// Roles lists the processes of the network in a folder, the meta node first.
func Roles(dir string) ([]Role, error) {
	n, err := Load(dir)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return n.roles(abs), nil
}

func (n *Network) roles(dir string) []Role {
	out := []Role{{Name: "meta-1", Dir: filepath.Join(dir, "meta-1"), Ready: n.Meta[0] + "/readyz"}}
	out = append(out,
		Role{Name: "router", Dir: filepath.Join(dir, "router"), Ready: n.Router + "/readyz"},
		Role{Name: "origin", Dir: filepath.Join(dir, "origin"), Ready: n.Origin + "/healthz"})
	for i := range n.Edges {
		out = append(out, n.edgeRole(i))
	}
	return out
}

func (n *Network) edgeRole(i int) Role {
	e := n.Edges[i]
	return Role{Name: filepath.Base(e.Dir), Dir: e.Dir, Ready: e.URL + "/readyz"}
}

func running(roles []Role) map[string]bool {
	out := map[string]bool{}
	for _, r := range roles {
		out[r.Name] = r.PID() != 0
	}
	return out
}

// startAll starts the roles and waits until each is ready.
func startAll(ctx context.Context, program string, roles []Role) error {
	for _, r := range roles {
		if _, err := r.Start(program); err != nil {
			return err
		}
	}
	for _, r := range roles {
		if err := waitReady(ctx, r, time.Minute); err != nil {
			return err
		}
	}
	return nil
}

func waitReady(ctx context.Context, r Role, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client := &http.Client{Timeout: 2 * time.Second}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := "no answer yet"
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Ready, nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			last = resp.Status
		}
		if r.PID() == 0 {
			return fmt.Errorf("%s ended while it started; the end of %s/log:\n%s", r.Name, r.Dir, r.LogTail(15))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s (%s); the end of %s/log:\n%s", r.Name, patience, last, r.Dir, r.LogTail(15))
		}
	}
}

// layOut makes what is missing in the folder: keys, certificates, Caddyfiles.
// Addresses of an existing network.json are kept, so a resumed network has the
// URLs it had.
func layOut(plan Plan, hooks Hooks) (n *Network, operator ed25519.PrivateKey, nodes []Node, err error) {
	dir := plan.Dir
	if operator, err = nodeauth.LoadOrCreate(filepath.Join(dir, "operator.key")); err != nil {
		return nil, nil, nil, err
	}
	ca, err := openAuthority(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	if n, err = Load(dir); errors.Is(err, ErrNoNetwork) {
		n, err = plan.addresses()
	}
	if err != nil {
		return nil, nil, nil, err
	}
	if len(n.Edges) != plan.Edges {
		return nil, nil, nil, fmt.Errorf("%s holds a network of %d edges: ask for --edges %d, or take another folder", dir, len(n.Edges), len(n.Edges))
	}
	if n.APIKey == "" {
		if n.APIKey, err = hooks.APIKey(filepath.Join(dir, "keys.json")); err != nil {
			return nil, nil, nil, err
		}
	}
	if err := writeFile(filepath.Join(dir, "zones"), zonesFile(), 0o644); err != nil {
		return nil, nil, nil, err
	}
	if err := n.Save(dir); err != nil {
		return nil, nil, nil, err
	}
	for i, e := range n.Edges {
		ip := edgeIP(i)
		cert, key := filepath.Join(e.Dir, "tls.crt"), filepath.Join(e.Dir, "tls.key")
		if err := ca.issue(cert, key, ip); err != nil {
			return nil, nil, nil, err
		}
		conf := roleConfig{
			Bind: ip.String(), Metas: n.Meta, CA: n.CA, Sites: []string{e.URL, e.TLSURL}, Cert: cert, Key: key,
			Handler: "stratos_edge", Edge: true, Plan: plan,
		}
		public, err := writeRole(e.Dir, conf)
		if err != nil {
			return nil, nil, nil, err
		}
		nodes = append(nodes, Node{Kind: "edge", Key: public, Edge: e})
	}
	for _, r := range []struct{ name, url, handler string }{
		{"meta-1", n.Meta[0], metaHandler(plan, nodeauth.KeyID(operator.Public().(ed25519.PublicKey)))},
		{"router", n.Router, routerHandler(plan, dir)},
		{"origin", n.Origin, originHandler(plan, dir)},
	} {
		conf := roleConfig{Bind: "127.0.0.1", CA: n.CA, Metas: n.Meta, Sites: []string{r.url}, Handler: r.handler, Plan: plan}
		public, err := writeRole(filepath.Join(dir, r.name), conf)
		if err != nil {
			return nil, nil, nil, err
		}
		if r.name != "meta-1" {
			nodes = append(nodes, Node{Kind: r.name, Key: public, Edge: Edge{URL: r.url}})
		}
	}
	return n, operator, nodes, nil
}

func writeRole(dir string, conf roleConfig) (ed25519.PublicKey, error) {
	key, err := nodeauth.LoadOrCreate(filepath.Join(dir, "node.key"))
	if err != nil {
		return nil, err
	}
	text, err := conf.render()
	if err != nil {
		return nil, err
	}
	return key.Public().(ed25519.PublicKey), writeFile(filepath.Join(dir, "Caddyfile"), text, 0o644)
}

// addresses draws free ports for a new network.
func (p Plan) addresses() (*Network, error) {
	local := net.IPv4(127, 0, 0, 1)
	ips := make([]net.IP, p.Edges)
	for i := range ips {
		ips[i] = edgeIP(i)
	}
	ports := make([]int, 5)
	for i := range ports {
		on := []net.IP{local}
		if i >= 3 {
			on = ips
		}
		for taken := true; taken; {
			port, err := freePort(on...)
			if err != nil {
				return nil, err
			}
			ports[i], taken = port, false
			for _, earlier := range ports[:i] {
				taken = taken || earlier == port
			}
		}
	}
	at := func(scheme string, ip net.IP, port int) string { return fmt.Sprintf("%s://%s:%d", scheme, ip, port) }
	n := &Network{
		Version: Version, CA: filepath.Join(p.Dir, "ca.pem"),
		Meta: []string{at("http", local, ports[0])}, Router: at("http", local, ports[1]), Origin: at("http", local, ports[2]),
	}
	for i, ip := range ips {
		place, operator := PlaceOf(i)
		n.Edges = append(n.Edges, Edge{
			URL: at("http", ip, ports[3]), TLSURL: at("https", ip, ports[4]), Region: place.Region, Operator: operator,
			Lat: place.Lat, Lon: place.Lon, Dir: filepath.Join(p.Dir, fmt.Sprintf("edge-%d", i+1)),
		})
	}
	return n, nil
}

// zonesFile tells the router where the clients of the test networks are.
func zonesFile() []byte {
	var b strings.Builder
	b.WriteString("# CIDR region latitude longitude: test networks of RFC 2544\n")
	for _, z := range Zones() {
		fmt.Fprintf(&b, "%s %s %.2f %.2f\n", z.CIDR, z.Region, z.Lat, z.Lon)
	}
	return []byte(b.String())
}

// Exists tells whether a folder holds a network.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "network.json"))
	return err == nil
}
