package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
)

func (c *cli) edge() *cobra.Command {
	cmd := &cobra.Command{Use: "edge", Short: "Join, invite and drain edges"}
	cmd.AddCommand(c.edgeJoin(), c.edgeInvite(), c.edgeDrain(true), c.edgeDrain(false))
	return cmd
}

func (c *cli) edgeInvite() *cobra.Command {
	var lasts time.Duration
	cmd := &cobra.Command{
		Use: "invite", Short: "Make an invitation that admits one edge (meta operator)",
		Long: `Signs an invitation with the operator's key. Give it to the person who runs the
new edge; it admits one key and ends by itself.`,
		Example: "  stratos edge invite --operator-key operator.key --lasts 48h >invitation.txt",
		Args:    cobra.NoArgs,
	}
	o := c.addOperator(cmd)
	cmd.Flags().DurationVar(&lasts, "lasts", 7*24*time.Hour, "how long it can be used")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := c.operator(o)
		if err != nil {
			return err
		}
		s, err := client.Status(cmd.Context())
		if err != nil {
			return fail(exitUnreachable, "", err)
		}
		key, err := nodeauth.Load(c.operatorKey(o))
		if err != nil {
			return err
		}
		v := &meta.Invitation{Kind: meta.EdgeNode, Until: time.Now().Add(lasts).Truncate(time.Second)}
		if _, err := rand.Read(v.Number[:]); err != nil {
			return err
		}
		v.Sign(key, s.ChainID)
		return c.print(map[string]any{"invitation": v.Text(), "until": v.Until}, v.Text())
	}
	return cmd
}

func (c *cli) edgeDrain(draining bool) *cobra.Command {
	use, short := "drain ID", "Send no new sessions to an edge and hand its replicas over (meta operator)"
	if !draining {
		use, short = "undrain ID", "Take an edge back into use (meta operator)"
	}
	cmd := &cobra.Command{Use: use, Short: short, Args: exactly(1, "the edge's number")}
	o := c.addOperator(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := strconv.ParseUint(args[0], 10, 32)
		if err != nil {
			return usage("%q is no edge number: `stratos status` lists them", args[0])
		}
		client, err := c.operator(o)
		if err != nil {
			return err
		}
		return client.Drain(cmd.Context(), meta.EdgeID(id), draining)
	}
	return cmd
}

// readInvitation takes the text of an invitation, or the name of a file that
// holds it.
func readInvitation(arg string) (*meta.Invitation, error) {
	text := arg
	if b, err := os.ReadFile(arg); err == nil {
		text = string(b)
	}
	v, err := meta.ParseInvitation(strings.TrimSpace(text))
	if err != nil {
		return nil, fail(exitUsage, "the meta node's operator makes one with `stratos edge invite`", err)
	}
	if time.Now().After(v.Until) {
		return nil, fail(exitRefused, "ask the meta node's operator for a new one", fmt.Errorf("the invitation ended at %s", v.Until))
	}
	return v, nil
}
