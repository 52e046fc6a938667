package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metahttp"
	"github.com/stratos-mesh/stratos/sds"
)

// banAbove is the size above which a file under a banned root is refused by
// itself, wherever it is. Smaller ones are icons, licences and empty files that
// half of the world has.
const banAbove = 64 << 10

func (c *cli) ban() *cobra.Command {
	var reason, router string
	var yes, dry bool
	cmd := &cobra.Command{
		Use: "ban NAME|ROOT", Short: "Stop serving content everywhere, under whatever name (meta operator)",
		Long: `Bans the content of a name, of a path inside a bundle, or a root. Within 15 seconds
every edge answers 451, to sessions under way as well. Every file above 64 KiB in it
is refused wherever else it is or comes to be, so that wrapping the same film in
another folder does not help; smaller files of other folders stay readable.`,
		Example: "  stratos ban films/leak --reason 'court order 12/26' --dry-run\n  stratos ban films/leak --reason 'court order 12/26' --yes",
		Args:    exactly(1, "NAME or ROOT"),
	}
	o := c.addOperator(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record that all nodes keep (at most 500 bytes)")
	cmd.Flags().StringVar(&router, "router", c.getenv("STRATOS_ROUTER"), "router's URL, to list the files ($STRATOS_ROUTER)")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would be banned, and ban nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case reason == "" && !dry:
			return usage("give a --reason: it stays in the record, and whoever asks is told it")
		case len(reason) > meta.MaxReason:
			return usage("--reason has %d bytes, at most %d", len(reason), meta.MaxReason)
		}
		client, err := c.operator(o)
		if err != nil {
			return err
		}
		t, err := c.resolve(&targetFlags{router: router, ca: o.ca})
		if err != nil {
			return err
		}
		b, err := c.banned(cmd.Context(), client, t, args[0])
		if err != nil {
			return err
		}
		if dry {
			return c.print(b, b.describe()+"nothing was banned: this was a dry run")
		}
		if !yes {
			if err := c.confirm(b.describe() + "Ban it on every edge? [y/N] "); err != nil {
				return err
			}
		}
		for rest := b.Objects; b.Revocation == 0 || len(rest) > 0; {
			n := min(len(rest), meta.MaxRevokedObjects)
			objects := rest[:n]
			rest = rest[n:]
			v, err := client.Revoke(cmd.Context(), meta.RevokeRequest{Root: b.Root, Ban: true, Objects: objects, Reason: reason})
			if err != nil {
				return operatorError(err)
			}
			b.Revocation = v.Number
		}
		b.InForce, b.Edges = c.inForce(cmd.Context(), client, b.Revocation)
		return c.print(b, fmt.Sprintf("banned %s (%s), in force on %d of %d live edges", b.Name, b.Root, b.InForce, b.Edges))
	}
	return cmd
}

// banned is what a ban is about.
type banned struct {
	Name  string  `json:"name"`
	Root  sds.CID `json:"root"`
	Files int     `json:"files"`
	Bytes int64   `json:"size"`
	// Objects are the files above 64 KiB.
	Objects []sds.CID `json:"objects"`
	// Revocation is the number of the last order, InForce how many of the live
	// Edges follow it.
	Revocation uint64 `json:"revocation,omitempty"`
	InForce    int    `json:"in_force,omitempty"`
	Edges      int    `json:"edges,omitempty"`
}

func (b *banned) describe() string {
	return fmt.Sprintf("%s\n  root   %s\n  files  %d, %s; %d of them are above 64 KiB and are refused wherever else they are\n",
		b.Name, b.Root, b.Files, size(b.Bytes), len(b.Objects))
}

// banned finds out what is under a name or a root: the meta node knows the root,
// an edge sends the nodes below it, which prove themselves.
func (c *cli) banned(ctx context.Context, client *metahttp.Client, t *target, what string) (*banned, error) {
	var found meta.Resolution
	root, err := sds.Parse(what)
	if err == nil {
		found, err = client.Locate(ctx, root.Digest)
	} else {
		found, err = client.Resolve(ctx, strings.Trim(what, "/"))
	}
	if err != nil {
		return nil, operatorError(err)
	}
	record := found.Record
	if !record.Root.Defined() || found.Growing != nil {
		return nil, fail(exitRefused, "wait until it is complete, or ask its owner for `stratos rm --now`", fmt.Errorf("%s is still being made", record.Name))
	}
	p, err := c.plan(ctx, t, string(record.Name), sds.CID{})
	if err != nil {
		return nil, err
	}
	if p.target != record.Root {
		return nil, fail(exitFailed, "it moved just now: try again", fmt.Errorf("the router says that %s has the root %s, the meta node %s", record.Name, p.target, record.Root))
	}
	b := &banned{Name: strings.TrimSuffix(string(record.Name)+"/"+found.Rest, "/"), Root: record.Root}
	if found.Rest != "" && len(p.files) > 0 {
		nodes, _ := p.files[0].from.(nodeSet)
		if b.Root, _, err = nodes.find(ctx, record.Root, strings.Trim(found.Rest, "/")); err != nil {
			return nil, fail(exitNotFound, "`stratos get` shows what is in the bundle", err)
		}
	}
	for _, f := range p.files {
		if record.Kind == meta.Object {
			f.size = record.Size
		} else if rest := strings.Trim(found.Rest, "/"); rest != "" && f.path != rest && !strings.HasPrefix(f.path, rest+"/") {
			continue
		}
		b.Files++
		b.Bytes += f.size
		if f.size > banAbove {
			b.Objects = append(b.Objects, f.cid)
		}
	}
	slices.SortFunc(b.Objects, meta.CompareCIDs)
	b.Objects = slices.Compact(b.Objects)
	return b, nil
}

// inForce waits until live edges follow a revocation, for 15 seconds at most.
func (c *cli) inForce(ctx context.Context, client *metahttp.Client, number uint64) (follow, live int) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		s, err := client.Status(ctx)
		if err == nil {
			follow, live = 0, 0
			for _, e := range s.Edges {
				if e.State == meta.Live {
					live++
					if e.Revocation >= number {
						follow++
					}
				}
			}
			if follow == live {
				return follow, live
			}
		}
		select {
		case <-ctx.Done():
			return follow, live
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// confirm asks on a terminal; without one, only --yes is an answer.
func (c *cli) confirm(question string) error {
	if f, ok := c.in.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return usage("there is no terminal to ask on: give --yes, or --dry-run to see what would happen")
	}
	fmt.Fprint(c.err, question)
	line, err := bufio.NewReader(c.in).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); err != nil || answer != "y" && answer != "yes" {
		return fail(exitFailed, "", errors.New("nothing was done"))
	}
	return nil
}

// operatorError says what to do about an answer of the meta node.
func operatorError(err error) error {
	switch {
	case errors.Is(err, meta.ErrBanned):
		return fail(exitRefused, "`stratos bans` lists what is banned, `stratos unban ROOT` takes it back", err)
	case errors.Is(err, meta.ErrNotFound), errors.Is(err, meta.ErrDeleted):
		return fail(exitNotFound, "`stratos ls` lists names, `stratos bans` what is banned", err)
	case errors.Is(err, meta.ErrForbidden):
		return fail(exitRefused, "--operator-key names the key that the meta node's `operator` line allows", err)
	case errors.Is(err, meta.ErrInvalid), errors.Is(err, meta.ErrConflict):
		return fail(exitRefused, "", err)
	}
	return fail(exitUnreachable, "`stratos doctor` looks for what is wrong", err)
}
