package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/internal/devnet"
)

func (c *cli) down() *cobra.Command {
	return &cobra.Command{
		Use:     "down",
		Short:   "Stop the network of a folder; its content stays",
		Example: "  stratos down --dir /tmp/net",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := devnet.Down(cmd.Context(), c.dir); err != nil {
				return networkError(err)
			}
			c.note("stopped")
			return nil
		},
	}
}

// networkError gives a missing network its exit code.
func networkError(err error) error {
	if errors.Is(err, devnet.ErrNoNetwork) {
		return fail(exitNotFound, "", err)
	}
	return err
}
