package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

func (c *cli) get() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "get NAME",
		Short: "Fetch a file through the network and check it",
		Long: `Fetches an object, or a file inside a bundle, from the edge that the router
chooses. When an edge fails, the transfer goes on at the next one, at the byte where
it stopped. What arrived is hashed into its root on the way and compared: a file that
does not match is not left behind.`,
		Example: "  stratos get films/film.mp4\n  stratos get demo/site/index.html -o -",
		Args:    exactly(1, "NAME"),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write, - for standard output (default: the last part of NAME)")
	flags := c.addTarget(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := c.resolve(flags)
		if err != nil {
			return err
		}
		if t.router == "" {
			return usage("get needs a router: give --router")
		}
		if output == "" {
			output = path.Base(args[0])
		}
		began := time.Now()
		d := &download{c: c, t: t, name: args[0]}
		if output == "-" {
			err = d.run(cmd.Context(), c.out)
		} else {
			err = d.toFile(cmd.Context(), output)
		}
		if err != nil {
			return err
		}
		took := time.Since(began)
		c.note("%s in %s, %s/s, from %v", size(d.at), took.Round(10*time.Millisecond), size(int64(float64(d.at)/took.Seconds())), d.used)
		if output != "-" {
			return c.print(map[string]any{"file": output, "root": d.root, "size": d.at, "edges": d.used}, output)
		}
		return nil
	}
	return cmd
}

// toFile writes beside the target and renames when all of it was checked.
func (d *download) toFile(ctx context.Context, output string) error {
	if info, err := os.Stat(output); err == nil && info.IsDir() {
		output = filepath.Join(output, path.Base(d.name))
	}
	f, err := os.CreateTemp(filepath.Dir(output), "."+filepath.Base(output)+".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := d.run(ctx, f); err != nil {
		return err
	}
	// CreateTemp makes 0600; a download is as readable as what `cp` would make.
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", output, err)
	}
	return os.Rename(f.Name(), output)
}

// writerFunc adapts a function to io.Writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
