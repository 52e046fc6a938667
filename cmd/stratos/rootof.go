package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func (c *cli) rootOf() *cobra.Command {
	return &cobra.Command{
		Use:   "root FILE|DIR",
		Short: "Print the root of a file or folder, without a network",
		Long: `Computes the CID under which a file or a folder would be published. It equals
what Kubo prints for the same bytes with the profile unixfs-v1-2025, so anyone
can check that a name holds what its owner says.`,
		Example: "  stratos root film.mp4\n  stratos root ./site --json",
		Args:    exactly(1, "FILE or DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := os.Stat(args[0])
			if err != nil {
				return fail(exitNotFound, "", err)
			}
			if !info.IsDir() {
				p := c.progress("hash", info.Size())
				built, err := rootOfFile(cmd.Context(), args[0], p.add)
				p.done()
				if err != nil {
					return err
				}
				return c.print(map[string]any{"root": built.Root, "size": built.Size, "sha256": fmt.Sprintf("%x", built.SHA256)}, built.Root.String())
			}
			tree, err := readTree(args[0])
			if err != nil {
				return err
			}
			c.noteSkipped(tree)
			p := c.progress("hash", tree.bytes)
			m, err := rootOfTree(cmd.Context(), tree, p.add)
			p.done()
			if err != nil {
				return err
			}
			return c.print(map[string]any{"root": m.Root, "size": tree.bytes, "objects": len(tree.files)}, m.Root.String())
		},
	}
}

func (c *cli) noteSkipped(t *localTree) {
	if len(t.skipped) > 0 {
		c.note("left out: %d symlinks and special files (the first is %s)", len(t.skipped), t.skipped[0])
	}
}

// exactly n arguments, named in the error.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage("%s wants %s, got %d arguments: see `stratos %s --help`", cmd.Name(), what, len(args), cmd.Name())
		}
		return nil
	}
}
