package slicehttp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/sds"
)

const (
	defaultTimeout = 30 * time.Second
	// maxAnswer bounds the body of an answer to PUT.
	maxAnswer = 64 << 10
	// maxDetail bounds what an error quotes of an answer.
	maxDetail = 300
	// readAtOnce is how much of a block is read before it is hashed: hashing
	// goes on while the network brings the rest.
	readAtOnce = 128 << 10
)

// Client is the other end of a Handler, a sds.Store over HTTP. Every block it
// returns was checked against its name. Its fields do not change once it is in
// use.
type Client struct {
	// Base is the URL of the node, without the path: https://host:port.
	Base string
	// HTTP sends the requests. Nil means http.DefaultClient. Redirects are not
	// followed in any case, as a signature is for one node.
	HTTP *http.Client
	// Sign signs each request just before it goes out. Nil sends it as it is.
	Sign func(*http.Request) error
	// Timeout bounds a request from its first byte to its last. Zero means 30
	// seconds.
	Timeout time.Duration
}

var _ sds.Store = (*Client)(nil)

// Get fetches a block; see sds.Store. Wrong bytes are ErrCorrupt.
func (c *Client) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	response, err := c.do(ctx, http.MethodGet, cid, nil, 0, nil)
	if err != nil {
		return nil, fmt.Errorf("slicehttp: get %s from %s: %w", cid, c.Base, err)
	}
	defer response.Body.Close()
	block, err := readBlock(response, cid)
	if err != nil {
		return nil, fmt.Errorf("slicehttp: get %s from %s: %w", cid, c.Base, err)
	}
	return block, nil
}

// readBlock reads and checks the body of an answer.
func readBlock(response *http.Response, cid sds.CID) ([]byte, error) {
	size := response.ContentLength
	if size > sds.MaxBlockSize {
		return nil, fmt.Errorf("%d bytes: %w: want %d at most", size, sds.ErrTooLarge, sds.MaxBlockSize)
	}
	if size < 0 {
		size = sds.SliceSize
	}
	// One byte more than announced, so that the end is seen without growing.
	block, hash := make([]byte, 0, size+1), sha256.New()
	for {
		if len(block) == cap(block) {
			block = append(block, 0)[:len(block)]
		}
		n, err := response.Body.Read(block[len(block):min(cap(block), len(block)+readAtOnce)])
		hash.Write(block[len(block) : len(block)+n])
		block = block[:len(block)+n]
		if len(block) > sds.MaxBlockSize {
			return nil, fmt.Errorf("%w: want %d bytes at most", sds.ErrTooLarge, sds.MaxBlockSize)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	got := sds.CID{Codec: cid.Codec}
	hash.Sum(got.Digest[:0])
	if got != cid {
		return nil, fmt.Errorf("%d bytes that are %s: %w", len(block), got, sds.ErrCorrupt)
	}
	return block, nil
}

// Has asks whether the node has a block; see sds.Store.
func (c *Client) Has(ctx context.Context, cid sds.CID) (bool, error) {
	_, err := c.Size(ctx, cid)
	if errors.Is(err, sds.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Size asks for the size of a block; -1 when the node does not tell.
func (c *Client) Size(ctx context.Context, cid sds.CID) (int64, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	response, err := c.do(ctx, http.MethodHead, cid, nil, 0, nil)
	if err != nil {
		return 0, fmt.Errorf("slicehttp: ask %s for %s: %w", c.Base, cid, err)
	}
	return response.ContentLength, response.Body.Close()
}

// Put sends a block; see sds.Store. The node decides about its class. A node
// that takes none makes it errors.ErrUnsupported.
func (c *Client) Put(ctx context.Context, cid sds.CID, block []byte, _ sds.Class) error {
	_, err := c.PutTo(ctx, cid, block, nil)
	return err
}

// PutTo sends a block with header fields of the caller's and returns the body
// of the answer. Content-Digest is set from the CID before the request is
// signed, so a signer need not hash the block.
func (c *Client) PutTo(ctx context.Context, cid sds.CID, block []byte, header http.Header) ([]byte, error) {
	return c.PutStream(ctx, cid, bytes.NewReader(block), int64(len(block)), header)
}

// PutStream is PutTo for a block of known size that is still arriving.
func (c *Client) PutStream(ctx context.Context, cid sds.CID, body io.Reader, size int64, header http.Header) ([]byte, error) {
	if size > sds.MaxBlockSize {
		return nil, fmt.Errorf("slicehttp: put %s of %d bytes: %w", cid, size, sds.ErrTooLarge)
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	response, err := c.do(ctx, http.MethodPut, cid, body, size, header)
	if err != nil {
		return nil, fmt.Errorf("slicehttp: put %s to %s: %w", cid, c.Base, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err == nil && len(answer) > maxAnswer {
		err = fmt.Errorf("answer: %w: want %d bytes at most", sds.ErrTooLarge, maxAnswer)
	}
	if err != nil {
		return nil, fmt.Errorf("slicehttp: put %s to %s: %w", cid, c.Base, err)
	}
	return answer, nil
}

// Delete is errors.ErrUnsupported: a node drops blocks when its meta node says
// so, never because another node asks.
func (c *Client) Delete(_ context.Context, cid sds.CID) error {
	return fmt.Errorf("slicehttp: delete %s from %s: %w", cid, c.Base, errors.ErrUnsupported)
}

func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	return context.WithTimeout(ctx, timeout)
}

// do sends a request and turns every answer but success into an error.
func (c *Client) do(ctx context.Context, method string, cid sds.CID, body io.Reader, size int64, header http.Header) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.Base, "/")+Prefix+cid.String(), body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	// Blocks do not shrink, and a coded answer would hide its length.
	request.Header.Set("Accept-Encoding", "identity")
	if body != nil {
		request.ContentLength = size
		if size == 0 {
			request.Body = http.NoBody
		}
		request.Header.Set("Content-Type", MediaType(cid))
		request.Header.Set("Content-Digest", ContentDigest(cid))
	} else {
		request.Header.Set("Accept", MediaType(cid))
	}
	if c.Sign != nil {
		if err := c.Sign(request); err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
	}
	client := http.Client{}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		defer response.Body.Close()
		return nil, statusError(response)
	}
	return response, nil
}

func statusError(response *http.Response) error {
	e := &StatusError{Status: response.StatusCode}
	if seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 31); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	// Read on to the end of a small body, so that the connection can be used again.
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	e.Detail = strings.ToValidUTF8(strings.TrimSpace(string(body[:min(len(body), maxDetail)])), "")
	return e
}
