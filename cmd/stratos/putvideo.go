package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// videoPut sends a video file to an origin and follows what becomes of it.
type videoPut struct {
	c                 *cli
	t                 *target
	disk, name, title string
	wait              string
	show              *videoShow
}

// The points that `put --video --wait` knows, in the order of time.
const (
	waitUploaded = "uploaded"
	waitPlayable = "playable"
	waitReady    = "ready"
)

func (c *cli) putVideo(ctx context.Context, t *target, v videoPut) error {
	if !slices.Contains([]string{waitUploaded, waitPlayable, waitReady}, v.wait) {
		return usage("--wait %q: want ready, playable or uploaded", v.wait)
	}
	if v.disk == "-" {
		return usage("a video is read more than once: give a file instead of -")
	}
	info, err := os.Stat(v.disk)
	if err != nil {
		return fail(exitNotFound, "", err)
	}
	if !info.Mode().IsRegular() {
		return usage("%s is no file; a folder with a finished HLS ladder is published without --video", v.disk)
	}
	v.c, v.t, v.show = c, t, c.videoShow(info.Size())
	began := time.Now()
	a, err := v.run(ctx, info)
	v.show.close()
	if err != nil {
		if ctx.Err() != nil {
			v.sayHowToGoOn(a)
		}
		return err
	}
	c.note("%s in %s", v.wait, time.Since(began).Round(100*time.Millisecond))
	for _, sentence := range a.Left {
		c.note("left out: %s", sentence)
	}
	return c.printVideo(a)
}

// run takes the asset of an earlier run up again, or makes one.
func (v *videoPut) run(ctx context.Context, info os.FileInfo) (*videoAsset, error) {
	state := v.stateFile(info)
	a, err := v.resume(ctx, state)
	if err != nil {
		return nil, err
	}
	for attempt := 1; a == nil || a.waits(); attempt++ {
		if a == nil {
			if a, err = v.create(ctx, state); err != nil {
				return nil, err
			}
		}
		u := &tusUpload{c: v.c, t: v.t, disk: v.disk, metadata: map[string]string{"asset": a.ID}, progress: progress{add: v.show.sent}}
		if _, err = u.send(ctx); err == nil {
			break
		}
		// Killed between making the upload and writing its URL down: that upload is
		// lost, and no other may feed the asset.
		if !strings.Contains(err.Error(), "an upload for this asset is under way") || attempt > 1 {
			return a, err
		}
		if err := v.t.callJSON(ctx, http.MethodDelete, v.t.origin+"/v1/assets/"+a.ID, nil, nil, nil); err != nil {
			return a, err
		}
		a = nil
	}
	v.show.uploaded()
	if v.wait != waitUploaded {
		id := a.ID
		err = v.t.follow(ctx, id, func(now *videoAsset) bool {
			a = now
			v.show.see(now)
			return v.enough(now)
		})
	} else {
		a, err = v.t.asset(ctx, a.ID)
	}
	if err != nil {
		return a, err
	}
	if a.settled() {
		err = os.RemoveAll(state)
	}
	return a, errors.Join(err, outcome(a))
}

func (v *videoPut) enough(a *videoAsset) bool {
	return v.wait == waitPlayable && a.URLs.Watch != "" && (a.State == "playable" || a.State == "publishing")
}

// outcome is the error of a video that did not get there.
func outcome(a *videoAsset) error {
	switch {
	case a.State == "replaced":
		return fail(exitRefused, "", fmt.Errorf("%s: a newer upload has the name", a.Name))
	case a.State != "failed":
		return nil
	case a.Reason == nil:
		return fmt.Errorf("%s: failed without a reason", a.Name)
	}
	code := exitRefused
	if word := a.Reason.Type[strings.LastIndexByte(a.Reason.Type, ':')+1:]; word == "encoding" || word == "internal" {
		code = exitFailed
	}
	return fail(code, a.Reason.Hint, fmt.Errorf("%s: %s", a.Name, a.Reason.Detail))
}

// stateFile keeps the asset's id, so that the same command goes on with it: also
// after kill -9. A file that changed is another video.
func (v *videoPut) stateFile(info os.FileInfo) string {
	abs, err := filepath.Abs(v.disk)
	if err != nil {
		abs = v.disk
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%d\n%s", v.t.origin, abs, info.Size(), info.ModTime().UnixNano(), v.name))
	return filepath.Join(v.c.stateDir(), "videos", hex.EncodeToString(sum[:]))
}

// resume returns the asset that an earlier run left, nil when there is none that
// is still of use.
func (v *videoPut) resume(ctx context.Context, state string) (*videoAsset, error) {
	id, err := os.ReadFile(state)
	if err != nil {
		return nil, nil //nolint:nilerr // without the file it begins anew
	}
	a, err := v.t.asset(ctx, string(id))
	var f *failure
	switch {
	case errors.As(err, &f) && f.code == exitNotFound:
		return nil, nil
	case err != nil:
		return nil, err
	case a.Name != v.name || a.settled():
		return nil, nil // whoever publishes the same again wants it again
	}
	if !a.waits() {
		v.c.note("the upload is complete; following %s", a.ID)
	}
	return a, nil
}

func (v *videoPut) create(ctx context.Context, state string) (*videoAsset, error) {
	body, err := json.Marshal(map[string]string{"name": v.name, "title": v.title})
	if err != nil {
		return nil, err
	}
	a := new(videoAsset)
	resp, err := v.t.call(ctx, http.MethodPost, v.t.origin+"/v1/assets", bytes.NewReader(body), http.Header{"Content-Type": {"application/json"}})
	if resp != nil && resp.StatusCode == http.StatusNotImplemented {
		return nil, fail(exitRefused, "install ffmpeg on the origin's machine (Debian: apt-get install ffmpeg); its log says what is missing. Without --video the file is published as it is", err)
	}
	if err == nil {
		err = decode(resp, a)
	}
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(state), 0o700); err == nil {
		_ = os.WriteFile(state, []byte(a.ID), 0o600) // without it another run begins anew; no reason to fail
	}
	return a, nil
}

func (v *videoPut) sayHowToGoOn(a *videoAsset) {
	switch {
	case a == nil:
	case a.waits():
		v.c.note("%s is at the origin: run the same command within 24 hours to go on from there", size(v.show.at()))
	default:
		v.c.note("the origin goes on without this command: run it again to follow, or look with `stratos stat %s`", a.Name)
	}
}

// printVideo prints where a video is.
func (c *cli) printVideo(a *videoAsset) error {
	if c.json {
		return json.NewEncoder(c.out).Encode(a.raw)
	}
	_, err := fmt.Fprintln(c.out, a.places())
	return err
}

// places is a table of the addresses of a video.
func (a *videoAsset) places() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	for _, row := range [][2]string{
		{"watch", a.URLs.Watch},
		{"embed", a.URLs.snippet()},
		{"hls", a.URLs.HLS},
		{"poster", a.URLs.Poster},
		{"root", a.Root},
		{"asset", a.ID},
		{"state", a.State},
	} {
		if row[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
		}
	}
	w.Flush()
	return strings.TrimRight(b.String(), "\n")
}
