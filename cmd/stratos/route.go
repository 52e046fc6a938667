package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

func (c *cli) route() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use: "route NAME", Short: "Show which edge a viewer would be sent to, and why",
		Example: "  stratos route demo/site\n  stratos route demo/site --from 198.18.2.7   (development networks)",
		Args:    exactly(1, "NAME"),
	}
	cmd.Flags().StringVar(&from, "from", "", "pretend to be at this address (development networks only)")
	flags := c.addTarget(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := c.resolve(flags)
		if err != nil {
			return err
		}
		header := http.Header{}
		if from != "" {
			header.Set("X-Forwarded-For", from)
		}
		resp, err := t.call(cmd.Context(), http.MethodGet, t.router+"/v1/route/"+escape(args[0]), nil, header)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
		if err != nil {
			return err
		}
		if c.json {
			return c.print(json.RawMessage(text), "")
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, text, "", "  "); err != nil {
			return err
		}
		return c.print(nil, pretty.String())
	}
	return cmd
}
