package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/internal/devnet"
)

// target is the network that a command talks to.
type target struct {
	router, origin, apiKey string
	http                   *http.Client
	network                *devnet.Network // nil outside a development network
}

// targetFlags are the addresses of a network that is not in a folder.
type targetFlags struct{ router, origin, keyFile, ca string }

func (c *cli) addTarget(cmd *cobra.Command) *targetFlags {
	t := new(targetFlags)
	f := cmd.Flags()
	f.StringVar(&t.router, "router", c.getenv("STRATOS_ROUTER"), "router's URL ($STRATOS_ROUTER)")
	f.StringVar(&t.origin, "origin", c.getenv("STRATOS_ORIGIN"), "origin's URL ($STRATOS_ORIGIN)")
	f.StringVar(&t.keyFile, "api-key-file", c.getenv("STRATOS_API_KEY_FILE"), "file that holds the API key ($STRATOS_API_KEY_FILE)")
	f.StringVar(&t.ca, "ca", c.getenv("STRATOS_CA"), "PEM file of a certificate authority to trust besides the system's ($STRATOS_CA)")
	return t
}

// resolve takes the flags first and the folder's network for the rest.
func (c *cli) resolve(f *targetFlags) (*target, error) {
	t := &target{router: f.router, origin: f.origin}
	ca := f.ca
	n, err := devnet.Load(c.dir)
	switch {
	case err == nil:
		t.network = n
		if t.router == "" && t.origin == "" {
			t.router, t.origin, t.apiKey = n.Router, n.Origin, n.APIKey
			if ca == "" {
				ca = n.CA
			}
		}
	case t.router == "" && t.origin == "":
		if errors.Is(err, devnet.ErrNoNetwork) {
			return nil, fail(exitNotFound, "give --router and --origin, or --dir of a network that `stratos up` started", err)
		}
		return nil, err
	}
	if f.keyFile != "" {
		key, err := os.ReadFile(f.keyFile)
		if err != nil {
			return nil, fail(exitNotFound, "--api-key-file names a file that holds nothing but the key", err)
		}
		t.apiKey = strings.TrimSpace(string(key))
	}
	for _, u := range []string{t.router, t.origin} {
		if parsed, err := url.Parse(u); u != "" && (err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https")) {
			return nil, usage("%q is no URL of a server: want https://HOST[:PORT]", u)
		}
	}
	t.router, t.origin = strings.TrimRight(t.router, "/"), strings.TrimRight(t.origin, "/")
	t.http, err = httpClient(ca)
	return t, err
}

// httpClient trusts the system's authorities and one more.
func httpClient(ca string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 32
	transport.ResponseHeaderTimeout = time.Minute
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", ca)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// call sends a request with the API key and returns an answer below 400; a
// problem of the server becomes an error with its sentence and hint. A server
// that says 503 is asked again a few times, when the body can be sent again.
func (t *target) call(ctx context.Context, method, address string, body io.Reader, header http.Header) (*http.Response, error) {
	const attempts = 5
	seeker, again := body.(io.Seeker)
	again = again || body == nil
	for attempt := 1; ; attempt++ {
		resp, err := t.once(ctx, method, address, body, header)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode < 400 {
			return resp, nil
		}
		if resp.StatusCode != http.StatusServiceUnavailable || !again || attempt == attempts {
			defer resp.Body.Close()
			return resp, problemError(method, address, resp)
		}
		resp.Body.Close()
		select {
		case <-time.After(retryAfter(resp)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if seeker != nil {
			if _, err := seeker.Seek(0, io.SeekStart); err != nil {
				return nil, err
			}
		}
	}
}

// retryAfter is what the server asks for, from a tenth of a second to five.
func retryAfter(resp *http.Response) time.Duration {
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil {
		return 500 * time.Millisecond
	}
	return min(max(time.Duration(seconds)*time.Second, 100*time.Millisecond), 5*time.Second)
}

func (t *target) once(ctx context.Context, method, address string, body io.Reader, header http.Header) (*http.Response, error) {
	if body != nil {
		body = io.NopCloser(body) // the transport would close a file that is sent again
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if l := header.Get("Content-Length"); l != "" {
		if req.ContentLength, err = strconv.ParseInt(l, 10, 64); err != nil {
			return nil, err
		}
		req.Header.Del("Content-Length")
	}
	if req.ContentLength == 0 {
		req.Body = http.NoBody // else it counts as unknown and goes in chunks
		if body != nil && header.Get("Content-Length") == "" {
			req.Body = body.(io.ReadCloser)
		}
	}
	if t.apiKey != "" && t.origin != "" && strings.HasPrefix(address, t.origin+"/") {
		req.Header.Set("Authorization", "Bearer "+t.apiKey)
	}
	resp, err := t.http.Do(req)
	if err != nil {
		return nil, fail(exitUnreachable, "is the network running? `stratos doctor` looks for what is wrong", err)
	}
	return resp, nil
}

// problemError reads problem+json (RFC 9457); other bodies give their status.
func problemError(method, address string, resp *http.Response) error {
	var p struct{ Title, Detail, Hint string }
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if json.Unmarshal(text, &p) != nil || p.Detail+p.Title == "" {
		p.Detail = resp.Status
	}
	if p.Detail == "" {
		p.Detail = p.Title
	}
	code := exitRefused
	switch {
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		code = exitNotFound
	case resp.StatusCode >= 500:
		code = exitFailed
	}
	short, _, _ := strings.Cut(address, "?")
	return fail(code, p.Hint, fmt.Errorf("%s %s: %s (%d)", method, short, p.Detail, resp.StatusCode))
}

// callJSON calls and decodes a JSON answer of at most 64 MiB.
func (t *target) callJSON(ctx context.Context, method, address string, body io.Reader, header http.Header, into any) error {
	resp, err := t.call(ctx, method, address, body, header)
	if err != nil {
		return err
	}
	if into == nil {
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
		return err
	}
	return decode(resp, into)
}

// decode reads a JSON answer of at most 64 MiB and closes it.
func decode(resp *http.Response, into any) error {
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(into); err != nil {
		return fmt.Errorf("%s: answer: %w", resp.Request.URL, err)
	}
	return nil
}

// escape writes a path into a URL, keeping its slashes.
func escape(path string) string { return (&url.URL{Path: path}).EscapedPath() }
