package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metahttp"
)

// joining is what `stratos edge join` was told.
type joining struct {
	metas      []string
	url        string
	invitation string
	ca         string
	acme       string
	acmeRoot   string
	edge       meta.Edge
	weight     uint8
	config     string
	dryRun     bool
	private    bool
	noWait     bool
}

func (c *cli) edgeJoin() *cobra.Command {
	var j joining
	cmd := &cobra.Command{
		Use:   "join",
		Short: "Register this machine as an edge and write its Caddyfile",
		Long: `Makes the node's key in --dir (once; it never leaves the machine), registers its
public half at the meta node with an invitation, and writes a Caddyfile.

With a host name of your own in --url, Caddy gets and renews the certificate by
itself. With a bare public address it asks for a certificate for the address
(ACME profile "shortlived"). An address that the world cannot dial, behind NAT or
carrier-grade NAT, is refused with the reason.

Then it waits, for at most five minutes, until the edge runs and two other edges
have reached it from outside, and says which port is closed when they do not.`,
		Example: `  stratos edge join --dir /var/lib/stratos --meta https://meta.example.org --invitation invitation.txt \
      --url https://edge.example.net --region eu-central --operator you --lat 50.1 --lon 8.7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.join(cmd.Context(), &j) },
	}
	f := cmd.Flags()
	f.StringSliceVar(&j.metas, "meta", nil, "meta nodes' URLs (required)")
	f.StringVar(&j.url, "url", "", "where the world reaches this edge: https://HOST or https://ADDRESS (required)")
	f.StringVar(&j.invitation, "invitation", "", "invitation, or a file that holds it (required)")
	f.StringVar(&j.edge.Region, "region", "", "region, for example eu-central (required)")
	f.StringVar(&j.edge.Operator, "operator", "", "your name as an operator; edges of one operator never hold all replicas (required)")
	f.Float64Var(&j.edge.Lat, "lat", 0, "latitude in degrees")
	f.Float64Var(&j.edge.Lon, "lon", 0, "longitude in degrees")
	f.Uint32Var(&j.edge.ASN, "asn", 0, "autonomous system of the address, when you know it")
	f.Uint8Var(&j.weight, "weight", 8, "share of replicas, 1 to 16")
	f.StringVar(&j.config, "config", "", "Caddyfile to write (default: Caddyfile in --dir)")
	f.StringVar(&j.ca, "ca", c.getenv("STRATOS_CA"), "PEM file of a certificate authority that other nodes use, besides the system's ($STRATOS_CA)")
	f.StringVar(&j.acme, "acme", "", "directory URL of another certificate authority")
	f.StringVar(&j.acmeRoot, "acme-root", "", "PEM file with that authority's root")
	f.BoolVar(&j.dryRun, "dry-run", false, "check and show the Caddyfile, register nothing")
	f.BoolVar(&j.noWait, "no-wait", false, "do not wait until other edges have reached this one from outside")
	f.BoolVar(&j.private, "allow-private", false, "accept an address that only a private network reaches")
	for _, name := range []string{"meta", "url", "invitation", "region", "operator"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // a flag that is not defined above
		}
	}
	return cmd
}

func (c *cli) join(ctx context.Context, j *joining) error {
	invitation, err := readInvitation(j.invitation)
	if err != nil {
		return err
	}
	where, err := reachable(ctx, net.DefaultResolver, j.url, j.private)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	config := j.config
	if config == "" {
		config = filepath.Join(c.dir, "Caddyfile")
	}
	dir, err := filepath.Abs(c.dir)
	if err != nil {
		return err
	}
	text, err := j.caddyfile(dir, where)
	if err != nil {
		return err
	}
	if j.dryRun {
		c.note("would register %s and write %s:", j.url, config)
		_, err := c.out.Write(text)
		return err
	}
	key, err := nodeauth.LoadOrCreate(filepath.Join(dir, "node.key"))
	if err != nil {
		return err
	}
	signer := nodeauth.NewSigner(key)
	caller, err := httpClient(j.ca)
	if err != nil {
		return err
	}
	client := metahttp.NewClient(metahttp.ClientConfig{URLs: j.metas, Signer: signer, HTTP: caller})
	j.edge.Key, j.edge.TLSURL, j.edge.Weight = signer.Key(), j.url, j.weight
	id, err := client.Admit(ctx, meta.Admission{Kind: meta.EdgeNode, Key: signer.Key(), Token: invitation.Text(), Edge: j.edge})
	if err != nil {
		return fail(exitRefused, "the invitation is for one key and one network: compare --meta with where it came from", err)
	}
	if _, err := os.Stat(config); err == nil {
		c.note("%s is there already and was left as it is", config)
	} else if err := os.WriteFile(config, text, 0o644); err != nil {
		return err
	}
	done := map[string]any{"id": id, "key": nodeauth.KeyID(signer.Key()), "config": config}
	if j.noWait {
		c.note("registered as edge %d; start it with `stratos run --config %s`", id, config)
		return c.print(done, fmt.Sprint(id))
	}
	c.note("registered as edge %d", id)
	seen, err := awaitDial(ctx, client.Status, id, config, c.note)
	if err != nil {
		return err
	}
	done["state"], done["outside"] = stateName(seen.State), fromOutside(seen)
	c.note("done: viewers are sent to edge %d; from outside: %s", id, fromOutside(seen))
	return c.print(done, fmt.Sprint(id))
}

// endpoint is a URL that the world can dial.
type endpoint struct {
	host string
	// address is set when the URL names an address instead of a host name.
	address netip.Addr
	port    string
}

// lookup is the part of net.Resolver that reachable needs.
type lookup interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// reachable checks that an endpoint can be dialled from outside, as far as this
// machine can tell; the network dials it from two other edges before it routes
// viewers there.
func reachable(ctx context.Context, resolver lookup, text string, private bool) (*endpoint, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || (u.Path != "" && u.Path != "/") {
		return nil, usage("--url %q: want https://HOST[:PORT] with nothing behind it; http is for development networks", text)
	}
	e := &endpoint{host: u.Hostname(), port: u.Port()}
	var addresses []netip.Addr
	if a, err := netip.ParseAddr(e.host); err == nil {
		e.address, addresses = a, []netip.Addr{a}
	} else if addresses, err = resolver.LookupNetIP(ctx, "ip", e.host); err != nil {
		return nil, fail(exitRefused, "make an A or AAAA record for it first", fmt.Errorf("%s has no address: %w", e.host, err))
	}
	for _, a := range addresses {
		if reason := unreachable(a.Unmap()); reason != "" && !private {
			return nil, fail(exitRefused, "an edge needs a public address, or a router that forwards TCP and UDP 443 from one; give that address",
				fmt.Errorf("%s is %s: %s", e.host, a, reason))
		}
	}
	return e, nil
}

// unreachable says why the world cannot dial an address.
func unreachable(a netip.Addr) string {
	carrier := netip.MustParsePrefix("100.64.0.0/10")
	switch {
	case a.IsLoopback():
		return "a loopback address, which only this machine reaches"
	case a.IsPrivate():
		return "a private address (RFC 1918, RFC 4193), behind NAT"
	case carrier.Contains(a):
		return "an address of carrier-grade NAT (RFC 6598): your provider shares one public address among many customers and forwards nothing"
	case a.IsLinkLocalUnicast():
		return "a link-local address (RFC 3927, RFC 4291), which only this link reaches"
	case a.IsUnspecified(), a.IsMulticast():
		return "no address of a host"
	}
	return ""
}
