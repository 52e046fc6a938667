package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tusUpload sends a file by tus 1.0 and survives the end of the connection, of
// the origin, and of this program: the URL of an upload under way is kept under
// the user's state folder until it is done.
type tusUpload struct {
	c        *cli
	t        *target
	disk     string
	metadata map[string]string
	progress progress
}

// send returns the upload's URL once all bytes are there.
func (u *tusUpload) send(ctx context.Context) (string, error) {
	f, err := os.Open(u.disk)
	if err != nil {
		return "", fail(exitNotFound, "", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	state := u.stateFile(info)
	location, offset := u.resume(ctx, state)
	if location == "" {
		if location, err = u.create(ctx, info.Size()); err != nil {
			return "", err
		}
		if err := os.MkdirAll(filepath.Dir(state), 0o700); err == nil {
			// Without the file an interrupted upload starts again; no reason to fail.
			_ = os.WriteFile(state, []byte(location), 0o600)
		}
	}
	u.progress.add(int(offset))
	for attempt := 0; offset < info.Size() || attempt == 0 && info.Size() == 0; attempt++ {
		at, err := u.patch(ctx, f, location, offset, info.Size())
		if at > offset {
			offset, attempt = at, 0
		}
		if err == nil {
			continue
		}
		var refused *failure
		if ctx.Err() != nil || attempt == 8 || errors.As(err, &refused) && refused.code != exitUnreachable && refused.code != exitFailed {
			return "", fmt.Errorf("%w (run the same command again: it goes on at %s)", err, size(offset))
		}
		select {
		case <-time.After(time.Duration(1<<min(attempt, 5)) * 200 * time.Millisecond):
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if at, err := u.offset(ctx, location); err == nil {
			u.progress.add(int(at - offset))
			offset = at
		}
	}
	return location, os.RemoveAll(state)
}

// stateFile is named by what is uploaded and where to: a file that changed is
// another upload.
func (u *tusUpload) stateFile(info os.FileInfo) string {
	abs, err := filepath.Abs(u.disk)
	if err != nil {
		abs = u.disk
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%d\n%v", u.t.origin, abs, info.Size(), info.ModTime().UnixNano(), u.metadata))
	return filepath.Join(u.c.stateDir(), "uploads", hex.EncodeToString(sum[:]))
}

// stateDir is where what must outlive a command lies.
func (c *cli) stateDir() string {
	base := c.getenv("XDG_STATE_HOME")
	if base == "" {
		base = filepath.Join(c.getenv("HOME"), ".local", "state")
	}
	return filepath.Join(base, "stratos")
}

func (u *tusUpload) resume(ctx context.Context, state string) (location string, offset int64) {
	text, err := os.ReadFile(state)
	if err != nil {
		return "", 0
	}
	if offset, err = u.offset(ctx, string(text)); err != nil {
		return "", 0 // expired or finished: begin again
	}
	u.c.note("resuming at %s", size(offset))
	return string(text), offset
}

func (u *tusUpload) create(ctx context.Context, length int64) (string, error) {
	var metadata []string
	for k, v := range u.metadata {
		metadata = append(metadata, k+" "+base64.StdEncoding.EncodeToString([]byte(v)))
	}
	resp, err := u.t.call(ctx, http.MethodPost, u.t.origin+"/v1/uploads", nil, http.Header{
		"Tus-Resumable": {"1.0.0"}, "Upload-Length": {strconv.FormatInt(length, 10)}, "Upload-Metadata": {strings.Join(metadata, ",")},
	})
	if err != nil {
		return "", err
	}
	resp.Body.Close()
	base, err := url.Parse(u.t.origin + "/v1/uploads")
	if err != nil {
		return "", err
	}
	location, err := base.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		return "", fmt.Errorf("origin answered %s without a usable Location", resp.Status)
	}
	return location.String(), nil
}

func (u *tusUpload) offset(ctx context.Context, location string) (int64, error) {
	resp, err := u.t.call(ctx, http.MethodHead, location, nil, http.Header{"Tus-Resumable": {"1.0.0"}})
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
}

// patch sends the rest of the file in one request and returns how far it got.
func (u *tusUpload) patch(ctx context.Context, f *os.File, location string, offset, length int64) (int64, error) {
	body := &countingReader{r: io.NewSectionReader(f, offset, length-offset), count: u.progress.add}
	resp, err := u.t.call(ctx, http.MethodPatch, location, body, http.Header{
		"Tus-Resumable": {"1.0.0"}, "Content-Type": {"application/offset+octet-stream"},
		"Upload-Offset": {strconv.FormatInt(offset, 10)}, "Content-Length": {strconv.FormatInt(length-offset, 10)},
	})
	if err != nil {
		return offset, err
	}
	resp.Body.Close()
	return strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
}
