package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/origin"
	"github.com/stratos-mesh/stratos/sds"
)

// smallFile is sent by one plain PUT; a larger one by tus, which resumes.
const smallFile = 8 << 20

func (c *cli) put() *cobra.Command {
	var mediaType string
	var asVideo, ladder bool
	var video videoPut
	cmd := &cobra.Command{
		Use:   "put FILE|DIR|- NAME",
		Short: "Publish a file, a folder or a video",
		Long: `Uploads a file (an object) or a folder (a bundle: one root for all of it) and
publishes it under NAME, namespace/path. It returns when every slice is durable on
its edges. An interrupted upload of a large file or a folder goes on where it
stopped when the same command runs again. "-" reads standard input.

With --video the origin makes a ladder of renditions of FILE that plays on every
connection, and publishes it under NAME: progress is shown until it is ready, or as far
as --wait says. The origin goes on when this command is stopped. --hls publishes a
ladder that was made elsewhere.`,
		Example: `  stratos put film.mp4 films/film.mp4
  stratos put --video film.mov films/film
  stratos put --hls ./ladder films/trailer
  stratos put ./site films/site
  tar c . | stratos put - backups/today.tar --type application/x-tar`,
		Args: exactly(2, "FILE or DIR, and NAME"),
	}
	cmd.Flags().StringVar(&mediaType, "type", "", "media type of a file (default: by its name)")
	cmd.Flags().BoolVar(&asVideo, "video", false, "make a video of FILE: a ladder, a page to watch it, a snippet to embed it")
	cmd.Flags().BoolVar(&ladder, "hls", false, "DIR holds a finished HLS ladder: its playlists get the digests by which players check it")
	cmd.Flags().StringVar(&video.title, "title", "", "title of the video")
	cmd.Flags().StringVar(&video.wait, "wait", waitReady, "return when the video is ready, playable (while encoding goes on) or uploaded")
	flags := c.addTarget(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := c.resolve(flags)
		if err != nil {
			return err
		}
		if t.origin == "" {
			return usage("put needs an origin: give --origin")
		}
		if asVideo {
			if ladder {
				return usage("--hls is for a ladder that is made already, --video makes one: give one of them")
			}
			if mediaType != "" {
				return usage("--type is for files: the origin looks into a video itself")
			}
			video.disk, video.name = args[0], args[1]
			return c.putVideo(cmd.Context(), t, video)
		}
		if cmd.Flags().Changed("title") || cmd.Flags().Changed("wait") {
			return usage("--title and --wait are for videos: add --video")
		}
		began := time.Now()
		r, err := c.publish(cmd.Context(), t, args[0], args[1], mediaType, ladder)
		if err != nil {
			return err
		}
		c.note("published %s in %s", size(r.Size), time.Since(began).Round(10*time.Millisecond))
		return c.print(r, fmt.Sprintf("%s  %s", r.Root, r.Name))
	}
	return cmd
}

func (c *cli) publish(ctx context.Context, t *target, disk, name, mediaType string, ladder bool) (*origin.Result, error) {
	if disk == "-" && !ladder {
		return c.putStream(ctx, t, name, mediaType)
	}
	info, err := os.Stat(disk)
	if err != nil {
		return nil, fail(exitNotFound, "", err)
	}
	if mediaType == "" {
		mediaType = sds.MediaType(name)
		if mediaType == "application/octet-stream" {
			mediaType = sds.MediaType(disk)
		}
	}
	switch {
	case info.IsDir():
		return c.putFolder(ctx, t, disk, name, ladder)
	case ladder:
		return nil, usage("--hls: %s is no folder; a ladder is a folder with a multivariant playlist", disk)
	case !info.Mode().IsRegular():
		return nil, usage("%s is neither a file nor a folder", disk)
	case info.Size() <= smallFile:
		return c.putSmall(ctx, t, disk, name, mediaType, info.Size())
	}
	p := c.progress("upload", info.Size())
	defer p.done()
	u := &tusUpload{c: c, t: t, disk: disk, metadata: map[string]string{"name": name, "filetype": mediaType}, progress: p}
	location, err := u.send(ctx)
	if err != nil {
		return nil, err
	}
	return uploadResult(ctx, t, location)
}

// uploadResult asks what a finished upload became; publishing may still run.
func uploadResult(ctx context.Context, t *target, location string) (*origin.Result, error) {
	for {
		resp, err := t.call(ctx, http.MethodGet, strings.TrimRight(location, "/")+"/result", nil, nil)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusOK {
			var r origin.Result
			return &r, decode(resp, &r)
		}
		resp.Body.Close()
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *cli) putSmall(ctx context.Context, t *target, disk, name, mediaType string, length int64) (*origin.Result, error) {
	f, err := os.Open(disk)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r origin.Result
	return &r, t.callJSON(ctx, http.MethodPut, t.origin+"/v1/files/"+escape(name), io.NewSectionReader(f, 0, length),
		http.Header{"Content-Type": {mediaType}, "Content-Length": {strconv.FormatInt(length, 10)}}, &r)
}

func (c *cli) putStream(ctx context.Context, t *target, name, mediaType string) (*origin.Result, error) {
	if mediaType == "" {
		mediaType = sds.MediaType(name)
	}
	p := c.progress("upload", -1)
	defer p.done()
	var r origin.Result
	return &r, t.callJSON(ctx, http.MethodPut, t.origin+"/v1/files/"+escape(name), &countingReader{r: c.in, count: p.add},
		http.Header{"Content-Type": {mediaType}}, &r)
}
