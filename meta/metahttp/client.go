package metahttp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	rpc "github.com/stratos-mesh/stratos/meta/metapb/metapbconnect"
)

// ClientConfig says whom a client asks and as whom.
type ClientConfig struct {
	// URLs of meta nodes. The client stays with one that answers and goes to the
	// next when it does not.
	URLs []string
	// Signer signs with this node's key, or an operator's.
	Signer *nodeauth.Signer
	// HTTP makes the requests; nil is a client of its own. Its transport is
	// wrapped, it is not changed itself.
	HTTP *http.Client
	// Timeout of one attempt, waiting for a change aside; 0 is 15 s.
	Timeout time.Duration
}

// Validate says what is wrong with a configuration, in a sentence.
func (c ClientConfig) Validate() error {
	if len(c.URLs) == 0 {
		return errors.New("no URL of a meta node is configured")
	}
	for _, text := range c.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("meta node %q: want a URL such as https://meta.example", text)
		}
	}
	if c.Signer == nil {
		return errors.New("calls to a meta node need a key to sign with")
	}
	return nil
}

// Client is a meta.Meta over RPC. It is safe for concurrent use.
type Client struct {
	endpoints []*endpoint
	timeout   time.Duration
	// at is the endpoint that answered last.
	at atomic.Uint32
}

// endpoint is one meta node.
type endpoint struct {
	url       string
	index     rpc.IndexClient
	publisher rpc.PublisherClient
	directory rpc.DirectoryClient
	issuer    rpc.IssuerClient
	nodes     rpc.NodesClient
	operator  rpc.OperatorClient
}

// NewClient returns a client; it connects with the first call. A configuration
// that Validate refuses makes a client whose calls fail.
func NewClient(config ClientConfig) *Client {
	c := &Client{timeout: config.Timeout}
	if c.timeout <= 0 {
		c.timeout = callTimeout
	}
	if config.Validate() != nil {
		return c
	}
	client := http.Client{}
	if config.HTTP != nil {
		client = *config.HTTP
	}
	client.Transport = config.Signer.Transport(client.Transport)
	client.Timeout = 0 // each call has its own
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	options := []connect.ClientOption{connect.WithReadMaxBytes(MaxAnswer), connect.WithSendMaxBytes(MaxRequest)}
	for _, u := range config.URLs {
		u = strings.TrimRight(u, "/")
		c.endpoints = append(c.endpoints, &endpoint{
			url:       u,
			index:     rpc.NewIndexClient(&client, u, options...),
			publisher: rpc.NewPublisherClient(&client, u, options...),
			directory: rpc.NewDirectoryClient(&client, u, options...),
			issuer:    rpc.NewIssuerClient(&client, u, options...),
			nodes:     rpc.NewNodesClient(&client, u, options...),
			operator:  rpc.NewOperatorClient(&client, u, options...),
		})
	}
	return c
}

// manner says how a call may be treated when no answer comes.
type manner int

const (
	// again: making it twice is harmless, so it goes to every node, three times.
	again manner = iota
	// once: it goes to another node only if it was never sent.
	once
)

const (
	rounds     = 3
	firstPause = 50 * time.Millisecond
)

// call makes one call on the nodes in turn, beginning with the one that answered
// last, until one answers: with a result, or with an error that is its decision.
func call[Q, A any](ctx context.Context, c *Client, how manner, extra time.Duration, request *Q,
	method func(*endpoint) func(context.Context, *Q) (*A, error),
) (*A, error) {
	if len(c.endpoints) == 0 {
		return nil, fmt.Errorf("%w: none is configured", ErrUnreachable)
	}
	var last error
	first := c.at.Load()
	for round := range rounds {
		for i := range c.endpoints {
			at := (first + uint32(i)) % uint32(len(c.endpoints))
			answer, err := attempt(ctx, c.timeout+extra, request, method(c.endpoints[at]))
			if err == nil {
				c.at.Store(at)
				return answer, nil
			}
			if known := decided(err); known != nil {
				c.at.Store(at)
				return nil, known
			}
			if ctx.Err() != nil {
				return nil, fmt.Errorf("meta node %s: %w", c.endpoints[at].url, context.Cause(ctx))
			}
			last = fmt.Errorf("%w: %s: %w", ErrUnreachable, c.endpoints[at].url, err)
			if how == once && !neverSent(err) {
				return nil, last
			}
		}
		if round == rounds-1 {
			break
		}
		// Between half and all of it, so that clients of a node that comes back
		// do not come at once.
		pause := firstPause << (2 * round)
		if err := sleep(ctx, pause/2+rand.N(pause/2)); err != nil {
			return nil, fmt.Errorf("%w: %w", last, err)
		}
	}
	return nil, last
}

func attempt[Q, A any](ctx context.Context, limit time.Duration, request *Q,
	method func(context.Context, *Q) (*A, error),
) (*A, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return method(ctx, request)
}

// neverSent tells that no connection came about.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// malformed is an answer that breaks the protocol.
func malformed(err error) error { return fmt.Errorf("answer of the meta node: %w", err) }
