package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/sds"
)

func (c *cli) get() *cobra.Command {
	var output, pinned string
	var jobs int
	cmd := &cobra.Command{
		Use:   "get NAME",
		Short: "Fetch a file or a folder through the network and check every byte",
		Long: `Fetches an object, a bundle, or a file or folder inside a bundle, from the edges
that the router names. Every slice is checked against the root before it is
written: edges are not trusted, an edge that sends other bytes is not asked again,
and the transfer goes on at the next one. What stopped half-way goes on where it
was when the same command runs again.

The root is what the router says, unless --root names it (stratos root prints that
of a file or folder of yours): then nobody is trusted.`,
		Example: `  stratos get films/film.mp4
  stratos get demo/site -o ./site
  stratos get demo/site/index.html -o -
  stratos get films/film.mp4 --root bafybeigdyr…`,
		Args: exactly(1, "NAME"),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "file or folder to write, - for standard output (default: the last part of NAME)")
	cmd.Flags().StringVar(&pinned, "root", "", "root of the object or bundle, whatever the router says")
	cmd.Flags().IntVar(&jobs, "jobs", 8, "files of a folder that are fetched at once, 1 to 64")
	flags := c.addTarget(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if jobs < 1 || jobs > 64 {
			return usage("--jobs %d: want 1 to 64", jobs)
		}
		var root sds.CID
		if pinned != "" {
			var err error
			if root, err = sds.Parse(pinned); err != nil {
				return usage("--root: %v", err)
			}
		}
		t, err := c.resolve(flags)
		if err != nil {
			return err
		}
		if t.router == "" {
			return usage("get needs a router: give --router")
		}
		name := strings.Trim(args[0], "/")
		if output == "" {
			output = path.Base(name)
		}
		began := time.Now()
		p, err := c.plan(cmd.Context(), t, name, root)
		if err != nil {
			return err
		}
		d := &download{c: c, plan: p, jobs: jobs}
		switch {
		case output == "-" && p.folder:
			return usage("%s is a folder: give -o DIR", name)
		case output == "-":
			return d.stream(cmd.Context(), c.out)
		case p.folder:
			err = d.into(cmd.Context(), output)
		default:
			if info, err := os.Stat(output); err == nil && info.IsDir() {
				output = filepath.Join(output, path.Base(name))
			}
			p.files[0].path = filepath.Base(output)
			err = d.into(cmd.Context(), filepath.Dir(output))
		}
		if err != nil {
			return err
		}
		took := time.Since(began)
		c.note("%s in %s, %s/s, from %v%s", size(d.fetched.Load()), took.Round(10*time.Millisecond),
			size(int64(float64(d.fetched.Load())/took.Seconds())), p.edges.used(), alreadyThere(d.kept.Load()))
		result := map[string]any{
			"file": output, "root": p.target, "size": d.size.Load(), "objects": len(p.files), "fetched": d.fetched.Load(), "edges": p.edges.used(),
		}
		if p.folder {
			delete(result, "file")
			result["folder"] = output
		}
		return c.print(result, output)
	}
	return cmd
}

func alreadyThere(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %s were there", size(n))
}

// sink takes the slices of one file in order, checked.
type sink interface {
	slice(at int64, block []byte) error
}

// writerSink is a sink that only goes forward.
type writerSink struct{ w io.Writer }

func (s writerSink) slice(_ int64, block []byte) error {
	_, err := s.w.Write(block)
	return err
}
