package geo

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// unpack reads a database, or an archive with databases, into a folder. What it
// is, its first bytes say. Folders inside an archive do not matter, only the
// last part of a name is used.
func unpack(ctx context.Context, r io.Reader, name, into string) error {
	in := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		plain, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		in = bufio.NewReaderSize(plain, 64<<10)
		name = strings.TrimSuffix(name, ".gz")
	}
	if head, _ := in.Peek(512); len(head) == 512 && string(head[257:262]) == "ustar" {
		return untar(ctx, in, into)
	}
	if !strings.HasSuffix(name, ".mmdb") {
		name = "geoip.mmdb"
	}
	return save(ctx, in, filepath.Join(into, filepath.Base(name)))
}

func untar(ctx context.Context, in io.Reader, into string) error {
	// Bounds all together what a small archive may grow to.
	archive := tar.NewReader(io.LimitReader(in, maxDatabase))
	for {
		entry, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		base := path.Base(path.Clean("/" + entry.Name))
		wanted := strings.HasSuffix(base, ".mmdb") || strings.Contains(base, "LICENSE")
		if entry.Typeflag != tar.TypeReg || !wanted || strings.HasPrefix(base, ".") || strings.ContainsAny(base, `/\`) {
			continue
		}
		if err := save(ctx, archive, filepath.Join(into, base)); err != nil {
			return err
		}
	}
}

// save writes and syncs a file that install will rename.
func save(ctx context.Context, in io.Reader, path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	n, err := io.Copy(file, io.LimitReader(&stopping{ctx, in}, maxDatabase+1))
	if err == nil && n > maxDatabase {
		err = fmt.Errorf("%s is larger than %d bytes", filepath.Base(path), int64(maxDatabase))
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// download fetches a URL.
func download(ctx context.Context, source, into string, progress Progress) error {
	u, err := url.Parse(source)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return err
	}
	// A client of its own: the default one has no limits that anybody set.
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 20 * time.Second, ResponseHeaderTimeout: time.Minute,
	}}
	defer client.CloseIdleConnections()
	answer, err := client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", answer.Status)
	}
	name := path.Base(u.Path)
	return unpack(ctx, watch(answer.Body, name, answer.ContentLength, progress), name, into)
}

// stopping is a reader that ends with its context.
type stopping struct {
	ctx context.Context
	in  io.Reader
}

func (s *stopping) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.in.Read(p)
}

// watched tells Progress what has been read.
type watched struct {
	in          io.Reader
	name        string
	done, total int64
	progress    Progress
}

func watch(in io.Reader, name string, total int64, progress Progress) io.Reader {
	return &watched{in: in, name: name, total: max(total, 0), progress: progress}
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.in.Read(p)
	w.done += int64(n)
	w.progress(w.name, w.done, w.total)
	return n, err
}
