package work

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client speaks to one origin.
type Client struct {
	base  string
	key   string
	http  *http.Client
	local bool
}

// unixScheme begins the URL of an origin's own socket for its own workers.
const unixScheme = "unix:"

// NewClient calls an origin by its URL, under an API key with the scope work.
// unix:/path is the socket of an origin on this machine, which asks for no key.
func NewClient(origin, key string, client *http.Client) (*Client, error) {
	if path, ok := strings.CutPrefix(origin, unixScheme); ok {
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		return &Client{base: "http://origin", local: true, http: &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 16}}}, nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("worker: %q is no origin's URL: want https://host", origin)
	}
	if client == nil {
		client = &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 2 * time.Minute,
		}}
	}
	return &Client{base: strings.TrimSuffix(origin, "/"), key: key, http: client}, nil
}

// AnswerError is an answer that says no and that no error of this package
// stands for.
type AnswerError struct {
	Status       int
	Type, Detail string
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("the origin answers %d %s: %s", e.Status, e.Type, e.Detail)
}

// Lease asks for a task; ErrNone when there is none.
func (c *Client) Lease(ctx context.Context, ask Ask) (*Task, error) {
	ctx, cancel := context.WithTimeout(ctx, MaxWait+30*time.Second)
	defer cancel()
	task := &Task{}
	status, err := c.post(ctx, "lease", ask, task)
	if err == nil && status == http.StatusNoContent {
		return nil, ErrNone
	}
	return task, err
}

// Renew keeps a lease.
func (c *Client) Renew(ctx context.Context, lease string, p Progress) error {
	ctx, cancel := context.WithTimeout(ctx, LeaseTime/2)
	defer cancel()
	_, err := c.post(ctx, lease+"/renew", p, nil)
	return err
}

// Complete ends a task.
func (c *Client) Complete(ctx context.Context, lease string, done Done) error {
	_, err := c.post(ctx, lease+"/complete", done, nil)
	return err
}

// Fail gives a task back.
func (c *Client) Fail(ctx context.Context, lease string, f Failure) error {
	_, err := c.post(ctx, lease+"/fail", f, nil)
	return err
}

// Put returns a file.
func (c *Client) Put(ctx context.Context, lease string, file File, body io.Reader) error {
	sum, err := hex.DecodeString(file.SHA256)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	path := (&url.URL{Path: file.Path}).EscapedPath()
	r, err := c.request(ctx, http.MethodPut, lease+"/files/"+path, io.LimitReader(body, file.Size))
	if err != nil {
		return err
	}
	r.ContentLength = file.Size
	if file.Size == 0 {
		r.Body = http.NoBody
	}
	r.Header.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	_, err = c.do(r, nil)
	return err
}

// Source reads a task's source from an offset on.
func (c *Client) Source(ctx context.Context, lease string, offset int64) (io.ReadCloser, error) {
	r, err := c.request(ctx, http.MethodGet, lease+"/source", nil)
	if err != nil {
		return nil, err
	}
	want := http.StatusOK
	if offset > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		want = http.StatusPartialContent
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	if resp.StatusCode != want {
		defer resp.Body.Close()
		if err := refusal(resp); err != nil {
			return nil, err
		}
		return nil, &AnswerError{Status: resp.StatusCode, Detail: "another range of the source than was asked for"}
	}
	return resp.Body, nil
}

func (c *Client) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+Base+path, body)
	if err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	if c.key != "" {
		r.Header.Set("Authorization", "Bearer "+c.key)
	}
	return r, nil
}

func (c *Client) post(ctx context.Context, path string, in, out any) (int, error) {
	b, err := json.Marshal(in)
	if err != nil {
		return 0, fmt.Errorf("worker: %w", err)
	}
	r, err := c.request(ctx, http.MethodPost, path, bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	return c.do(r, out)
}

// do sends a request and reads its answer.
func (c *Client) do(r *http.Request, out any) (int, error) {
	resp, err := c.http.Do(r)
	if err != nil {
		return 0, fmt.Errorf("worker: %w", err)
	}
	defer resp.Body.Close()
	if err := refusal(resp); err != nil {
		return resp.StatusCode, err
	}
	if out != nil && resp.StatusCode == http.StatusOK {
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxMessage)).Decode(out); err != nil {
			return resp.StatusCode, fmt.Errorf("worker: the origin's answer: %w", err)
		}
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4096) // so that the connection is used again
	return resp.StatusCode, nil
}

// refusal reads a problem, nil when the answer is none.
func refusal(resp *http.Response) error {
	if resp.StatusCode < 300 {
		return nil
	}
	var p struct{ Type, Detail string }
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&p)
	kind := strings.TrimPrefix(p.Type, "urn:stratos:problem:")
	for name, err := range map[string]error{"lease-lost": ErrLost, "file": ErrFile, "no-room": ErrRoom} {
		if kind == name {
			return fmt.Errorf("%w: %s", err, p.Detail)
		}
	}
	return &AnswerError{Status: resp.StatusCode, Type: kind, Detail: p.Detail}
}
