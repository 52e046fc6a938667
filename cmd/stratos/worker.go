package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/origin/work"
	"github.com/stratos-mesh/stratos/transcode"
	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// workerNiceness leaves the processor to whatever else a machine does.
const workerNiceness = 5

// workerFlags are what `stratos worker` is told.
type workerFlags struct {
	origin, key, ca, dir, name string
	jobs                       int
	unconfined                 bool
}

func (c *cli) worker() *cobra.Command {
	var f workerFlags
	cmd := &cobra.Command{
		Use:   "worker --origin URL --key FILE",
		Short: "Encode videos for an origin on this machine",
		Long: `Leases pieces of videos from an origin, encodes them with ffmpeg, and returns the
segments, until it is stopped. Any number of workers on any machines may serve one
origin; one that is killed costs the piece it was at. Stopped by Ctrl-C or SIGTERM it
gives its pieces back at once.

ffmpeg reads what strangers uploaded, so it runs in a sandbox: Linux name spaces, no
network, one file. Where the system allows none, the worker refuses to start. The key
needs the scope work: stratos keys create --scope work --namespace '*' --note HOST`,
		Example: `  stratos worker --origin https://origin.example.net --key worker.key
  stratos worker --origin https://origin.example.net --key worker.key --jobs 4 --dir /var/lib/stratos/worker`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runWorker(cmd.Context(), &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.origin, "origin", c.getenv("STRATOS_ORIGIN"), "origin's URL ($STRATOS_ORIGIN)")
	flags.StringVar(&f.key, "key", c.getenv("STRATOS_API_KEY_FILE"), "file that holds an API key with the scope work ($STRATOS_API_KEY_FILE)")
	flags.StringVar(&f.ca, "ca", c.getenv("STRATOS_CA"), "PEM file of a certificate authority to trust besides the system's ($STRATOS_CA)")
	flags.StringVar(&f.dir, "dir", "", "folder for sources and what is being encoded (default: stratos-worker in the user's cache)")
	flags.StringVar(&f.name, "name", "", "name in the origin's log (default: the machine's)")
	flags.IntVar(&f.jobs, "jobs", max(1, runtime.GOMAXPROCS(0)/2), "pieces to encode at a time")
	flags.BoolVar(&f.unconfined, "no-sandbox", false, "run ffmpeg with limits alone where the system has no name spaces: only for files that you trust")
	return cmd
}

func (c *cli) runWorker(ctx context.Context, f *workerFlags) error {
	if f.origin == "" {
		return usage("a worker needs an origin: give --origin URL")
	}
	if f.jobs < 1 || f.jobs > 1024 {
		return usage("--jobs %d: want 1 to 1024", f.jobs)
	}
	key := ""
	if !strings.HasPrefix(f.origin, "unix:") { // the origin's own socket asks for no key
		t, err := c.resolve(&targetFlags{origin: f.origin, keyFile: f.key})
		if err != nil {
			return err
		}
		if key = t.apiKey; key == "" {
			return usage("a worker needs an API key with the scope work: give --key FILE")
		}
	}
	client, err := httpClient(f.ca)
	if err != nil {
		return err
	}
	dir, err := c.workerDir(f.dir)
	if err != nil {
		return err
	}
	defer dir.Close() // which ends the lock
	box, err := sandbox.Open(ctx, sandbox.Config{Nice: workerNiceness, Unconfined: f.unconfined})
	if errors.Is(err, sandbox.ErrUnavailable) {
		return fail(exitRefused, "ffmpeg would read strangers' files with all that this user may read; --no-sandbox does that", err)
	}
	if err != nil {
		return fail(exitRefused, "", err)
	}
	log := c.logger()
	log.Info("worker starts", "origin", f.origin, "jobs", f.jobs, "dir", dir.Name(), "confined", box.Confined())
	err = work.Run(ctx, work.Config{
		Origin: f.origin, Key: key, HTTP: client, Dir: dir.Name(), Jobs: f.jobs, Name: f.name,
		Encode: transcode.Encode, Box: box, Logger: log,
	})
	var answer *work.AnswerError
	switch {
	case ctx.Err() != nil:
		log.Info("worker ends")
		return nil
	case errors.As(err, &answer):
		return fail(exitRefused, "", err)
	}
	return err
}

// workerDir makes a worker's folder and locks it: a worker removes what it finds
// there.
func (c *cli) workerDir(dir string) (*os.File, error) {
	if dir == "" {
		cache := c.getenv("XDG_CACHE_HOME")
		if cache == "" {
			cache = filepath.Join(c.getenv("HOME"), ".cache")
		}
		dir = filepath.Join(cache, "stratos-worker")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fail(exitRefused, "give each worker of a machine a folder of its own: --dir", fmt.Errorf("another worker uses %s", dir))
	}
	return f, nil
}

// logger writes what a command that runs for long has to tell.
func (c *cli) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if c.quiet {
		options.Level = slog.LevelWarn
	}
	if c.json {
		return slog.New(slog.NewJSONHandler(c.err, options))
	}
	return slog.New(slog.NewTextHandler(c.err, options))
}
