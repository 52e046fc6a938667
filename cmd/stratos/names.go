package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/origin"
)

// The commands that list, describe, move and remove names: one request each.

func (c *cli) ls() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls [PREFIX]", Short: "List names below a prefix",
		Example: "  stratos ls films\n  stratos ls films/2026 --json",
		Args:    cobra.MaximumNArgs(1),
	}
	flags := c.addTarget(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := c.resolve(flags)
		if err != nil {
			return err
		}
		base, prefix := t.origin+"/v1/list", ""
		if len(args) == 1 {
			prefix = args[0]
			base += "/" + escape(prefix)
		}
		videos, err := t.videos(cmd.Context(), prefix)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
		for cursor := ""; ; {
			var page struct {
				Names []origin.Result
				Next  string
			}
			if err := t.callJSON(cmd.Context(), http.MethodGet, base+"?limit=1000&cursor="+url.QueryEscape(cursor), nil, nil, &page); err != nil {
				return err
			}
			for _, r := range page.Names {
				if c.json {
					if err := c.print(r, ""); err != nil {
						return err
					}
					continue
				}
				if videos.published(string(r.Name), r.Root.String()) != nil {
					r.Kind = "video"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Name, r.Kind, size(r.Size), r.Modified.Local().Format("2006-01-02 15:04"))
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		for _, a := range videos {
			if a.settled() {
				continue
			}
			if c.json {
				if err := c.printVideo(a); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(w, "%s\tvideo\t%s\t%s, %d%%\n", a.Name, size(a.Source.Size), a.State, percent(a.Progress))
		}
		return w.Flush()
	}
	return cmd
}

func (c *cli) stat() *cobra.Command {
	cmd := &cobra.Command{
		Use: "stat NAME", Short: "Show root, size, type and replicas of a name or a path inside a bundle; of a video also its progress and addresses",
		Args: exactly(1, "NAME"),
	}
	flags := c.addTarget(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := c.resolve(flags)
		if err != nil {
			return err
		}
		return c.describeName(cmd.Context(), t, args[0])
	}
	return cmd
}

func describeResult(r *origin.Result) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	row := func(name string, value any, show bool) {
		if show {
			fmt.Fprintf(w, "%s\t%v\n", name, value)
		}
	}
	row("name", r.Name, true)
	row("path", r.Path, r.Path != "")
	row("kind", r.Kind, true)
	row("root", r.Root, true)
	row("size", fmt.Sprintf("%s (%d bytes)", size(r.Size), r.Size), true)
	row("objects", r.Objects, r.Kind != "object")
	row("type", r.Type, r.Type != "")
	row("sha256", r.SHA256, r.SHA256 != "")
	row("replicas", fmt.Sprintf("%d wanted, complete on edges %v", r.Replicas, r.Holders), len(r.Holders) > 0)
	row("modified", r.Modified.Local().Format("2006-01-02 15:04:05"), true)
	row("url", r.URL, r.URL != "")
	w.Flush()
	return strings.TrimRight(b.String(), "\n")
}

func (c *cli) rm() *cobra.Command {
	var now bool
	cmd := &cobra.Command{
		Use: "rm NAME", Short: "Remove a name; its content rests for 7 days",
		Long: `Removes a name, and a video of that name that is still being made. New sessions are refused at once; the content rests for 7 days,
in which publishing it again undoes the removal. --now also revokes the root: every
edge refuses it within 15 seconds, sessions under way included.`,
		Args: exactly(1, "NAME"),
	}
	cmd.Flags().BoolVar(&now, "now", false, "stop serving it everywhere within 15 seconds")
	flags := c.addTarget(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := c.resolve(flags)
		if err != nil {
			return err
		}
		address := t.origin + "/v1/files/" + escape(args[0])
		if now {
			address += "?now=1"
		}
		videos, err := t.removeVideos(cmd.Context(), args[0], now)
		if err != nil {
			return err
		}
		err = t.callJSON(cmd.Context(), http.MethodDelete, address, nil, nil, nil)
		var f *failure
		if videos > 0 && errors.As(err, &f) && f.code == exitNotFound {
			err = nil // the name went with its video, or there was none yet
		}
		if err != nil {
			return err
		}
		c.note("removed %s", args[0])
		return nil
	}
	return cmd
}

func (c *cli) mv() *cobra.Command {
	cmd := &cobra.Command{
		Use: "mv FROM TO", Short: "Give a name's content another name; no byte moves",
		Args: exactly(2, "FROM and TO"),
	}
	flags := c.addTarget(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := c.resolve(flags)
		if err != nil {
			return err
		}
		address := t.origin + "/v1/files/" + escape(args[0]) + "?move-to=" + url.QueryEscape(args[1])
		var r origin.Result
		if err := t.callJSON(cmd.Context(), http.MethodPost, address, nil, nil, &r); err != nil {
			return err
		}
		return c.print(r, describeResult(&r))
	}
	return cmd
}
