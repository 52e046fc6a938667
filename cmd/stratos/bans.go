package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metahttp"
	"github.com/stratos-mesh/stratos/sds"
)

func (c *cli) unban() *cobra.Command {
	cmd := &cobra.Command{
		Use: "unban ROOT|NAME", Short: "Take a ban back (meta operator)",
		Long: `Takes all bans of a root back, with those of the files in it. What another ban
names, or its owner removed at once, stays refused.`,
		Example: "  stratos bans\n  stratos unban bafybeigdyr…",
		Args:    exactly(1, "ROOT, or the NAME that stratos bans shows beside it"),
	}
	o := c.addOperator(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := c.operator(o)
		if err != nil {
			return err
		}
		root, err := sds.Parse(args[0])
		if err != nil {
			err = eachBan(cmd.Context(), client, func(b meta.Ban) error {
				if string(b.Name) == args[0] {
					root = b.Root
				}
				return nil
			})
			if err != nil {
				return err
			}
			if !root.Defined() {
				return fail(exitNotFound, "`stratos bans` lists what is banned", fmt.Errorf("%q is no root, and no ban has that name", args[0]))
			}
		}
		v, err := client.Unban(cmd.Context(), root)
		if err != nil {
			return operatorError(err)
		}
		follow, live := c.inForce(cmd.Context(), client, v.Number)
		return c.print(map[string]any{"root": root, "revocation": v.Number, "in_force": follow, "edges": live},
			fmt.Sprintf("%s is served again, on %d of %d live edges", root, follow, live))
	}
	return cmd
}

func (c *cli) bans() *cobra.Command {
	cmd := &cobra.Command{
		Use: "bans", Short: "List what is banned, and why (meta operator)",
		Example: "  stratos bans\n  stratos bans --json | jq .root",
		Args:    cobra.NoArgs,
	}
	o := c.addOperator(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := c.operator(o)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
		if !c.json {
			fmt.Fprintln(w, "ROOT\tLAST NAME\tFILES\tSINCE\tREASON")
		}
		err = eachBan(cmd.Context(), client, func(b meta.Ban) error {
			if c.json {
				return c.print(map[string]any{
					"root": b.Root, "name": b.Name, "objects": b.Objects, "time": b.Time, "reason": b.Reason, "revocation": b.Number, "authority": b.Authority,
				}, "")
			}
			_, err := fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%q\n", b.Root, b.Name, b.Objects, b.Time.Local().Format("2006-01-02 15:04"), b.Reason)
			return err
		})
		if err != nil {
			return err
		}
		return w.Flush()
	}
	return cmd
}

// eachBan calls each for all bans in force, in the order of their numbers.
func eachBan(ctx context.Context, client *metahttp.Client, each func(meta.Ban) error) error {
	for after := uint64(0); ; {
		list, err := client.Bans(ctx, after)
		if err != nil {
			return operatorError(err)
		}
		if len(list) == 0 {
			return nil
		}
		for _, b := range list {
			if err := each(b); err != nil {
				return err
			}
			after = b.Number
		}
	}
}
