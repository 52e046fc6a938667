package origin

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
)

const (
	// hookFor is how long a webhook is tried, hookTimeout how long one attempt may
	// take; the pause between attempts doubles from hookPause to hookPauseMost.
	hookFor       = 24 * time.Hour
	hookTimeout   = 10 * time.Second
	hookPause     = 2 * time.Second
	hookPauseMost = time.Hour
	// hookSenders at a time, over all assets.
	hookSenders = 8
)

// webhook is where an asset's changes are told.
type webhook struct {
	URL string `json:"url"`
	// Secret signs; drawn when the publisher names none.
	Secret string `json:"secret,omitempty"`
}

// check refuses what cannot be called, and draws a secret.
func (h *webhook) check() error {
	u, err := url.Parse(h.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || len(h.URL) > 2000 {
		return httperr.New(http.StatusBadRequest, "webhook", "webhook.url is an http or https URL without a user, of at most 2,000 bytes")
	}
	if len(h.Secret) > 500 {
		return httperr.New(http.StatusBadRequest, "webhook", "webhook.secret has at most 500 bytes")
	}
	if h.Secret == "" {
		var b [24]byte
		_, _ = rand.Read(b[:]) // never fails
		h.Secret = base64.RawURLEncoding.EncodeToString(b[:])
	}
	return nil
}

// hook is one message, a file until it was taken or given up.
type hook struct {
	URL     string          `json:"url"`
	Secret  string          `json:"secret"`
	Created time.Time       `json:"created"`
	Body    json.RawMessage `json:"body"`
}

// hookBody is what is sent.
type hookBody struct {
	// ID is the same at every attempt.
	ID    string     `json:"id"`
	Event string     `json:"event"` // asset.playable, asset.ready …
	Time  time.Time  `json:"time"`
	Asset *assetView `json:"asset"`
}

// hooks delivers messages.
type hooks struct {
	origin  *Origin
	senders chan struct{}
	client  *http.Client
}

func newHooks(o *Origin) *hooks {
	h := &hooks{origin: o, senders: make(chan struct{}, hookSenders)}
	dialer := &net.Dialer{Timeout: hookTimeout, ControlContext: h.allow}
	h.client = &http.Client{
		Timeout:   hookTimeout,
		Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, TLSHandshakeTimeout: hookTimeout},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a redirect is no answer that we follow
		},
	}
	return h
}

var errPrivate = errors.New("webhooks do not go to private addresses here")

// allow refuses addresses that are not everybody's. It sees what a name was
// resolved to, so no name leads around it.
func (h *hooks) allow(_ context.Context, _, address string, _ syscall.RawConn) error {
	if h.origin.config().Video.PrivateHooks {
		return nil
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil || !public(at.Addr()) {
		return fmt.Errorf("%s: %w", address, errPrivate)
	}
	return nil
}

// public tells addresses on the Internet from those of a machine, a site or a
// protocol (RFC 6890).
func public(ip netip.Addr) bool {
	ip = ip.Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		return false
	}
	for _, special := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "5f00::/16", "fec0::/10",
	} {
		if netip.MustParsePrefix(special).Contains(ip) {
			return false
		}
	}
	return true
}

// hookStates are the changes that are told.
func hookStates(state string) bool {
	return slices.Contains([]string{assetPlayable, assetReady, assetFailed, assetReplaced}, state)
}

// add tells of the newest change of state, in the background.
func (h *hooks) add(a *asset, info *assetInfo) {
	h.tell(a, info, info.History[len(info.History)-1])
}

func (h *hooks) tell(a *asset, info *assetInfo, t transition) {
	if info.Webhook == nil || !hookStates(t.State) {
		return
	}
	body, err := json.Marshal(hookBody{ID: a.id + "-" + strconv.FormatUint(t.Event, 10), Event: "asset." + t.State, Time: t.Time, Asset: a.view(h.origin.ctx)})
	if err == nil {
		var text []byte
		text, err = json.Marshal(hook{URL: info.Webhook.URL, Secret: info.Webhook.Secret, Created: h.origin.config().Now(), Body: body})
		path := filepath.Join(h.folder(a), strconv.FormatUint(t.Event, 10))
		if err == nil {
			err = os.MkdirAll(h.folder(a), 0o700)
		}
		if err == nil {
			err = writeFile(path, text)
		}
		if err == nil {
			h.origin.tasks.Go(func() { h.deliver(a, path) })
			return
		}
	}
	h.origin.config().Logger.Error("a webhook could not be written down", "asset", a.id, "error", err)
}

func (h *hooks) folder(a *asset) string { return filepath.Join(a.folder, "hooks") }

// hookDone is the end of the name of a message that needs no sending any more.
const hookDone = ".done"

// resume takes up the messages that a restart interrupted, those too that were
// not written down yet.
func (h *hooks) resume(a *asset) {
	info := a.state()
	for _, t := range info.History {
		path := filepath.Join(h.folder(a), strconv.FormatUint(t.Event, 10))
		if _, err := os.Stat(path + hookDone); err == nil || info.Webhook == nil || !hookStates(t.State) {
			continue
		}
		if _, err := os.Stat(path); err == nil {
			h.origin.tasks.Go(func() { h.deliver(a, path) })
			continue
		}
		h.tell(a, &info, t)
	}
}

// deliver tries until the receiver takes the message, the time is over, or the
// asset is gone.
func (h *hooks) deliver(a *asset, path string) {
	ctx, config := h.origin.ctx, h.origin.config()
	for attempt := 0; ctx.Err() == nil; attempt++ {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return // the asset was deleted
		}
		var m hook
		if err == nil {
			err = json.Unmarshal(text, &m)
		}
		if err != nil {
			config.Logger.Error("a webhook cannot be read", "asset", a.id, "error", err)
			return
		}
		if err = h.send(ctx, &m); err == nil || errors.Is(err, errPrivate) || config.Now().Sub(m.Created) >= hookFor {
			count := &h.origin.counters.HooksSent
			if err != nil {
				count = &h.origin.counters.HooksDropped
				config.Logger.Warn("a webhook is given up", "asset", a.id, "url", m.URL, "error", err)
			}
			count.Add(1)
			_ = os.Rename(path, path+hookDone) // sent again after a restart otherwise; its id is the same
			return
		}
		if sleep(ctx, min(hookPause<<min(attempt, 16), hookPauseMost)) != nil {
			return
		}
	}
}

// send is one attempt.
func (h *hooks) send(ctx context.Context, m *hook) error {
	select {
	case h.senders <- struct{}{}:
		defer func() { <-h.senders }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "stratos")
	r.Header.Set("Stratos-Signature", hookSignature(m.Secret, h.origin.config().Now(), m.Body))
	resp, err := h.client.Do(r)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4096)
	if resp.StatusCode >= 300 {
		return fmt.Errorf("webhook: the receiver answers %d", resp.StatusCode)
	}
	return nil
}

// hookSignature is t=<unix>,v1=<HMAC-SHA-256 of "t.body" in hexadecimal>.
func hookSignature(secret string, now time.Time, body []byte) string {
	t := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
