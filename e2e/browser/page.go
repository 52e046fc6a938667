package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Page is a tab with storage and cache of its own.
type Page struct {
	browser                  *Browser
	context, target, session string

	mu       sync.Mutex // guards the rest
	requests []*Request
	open     map[string]*Request // by the protocol's id
	console  []string
	frames   map[string]int // execution contexts by the URL's origin
}

// Request is one that a page made; a redirect is one more.
type Request struct {
	Method, URL string
	// Status is 0 while nothing has come.
	Status int
	// Failed says why no answer, or no whole one, came.
	Failed string
	// Done: all of the body is there.
	Done bool
	At   time.Time
}

// record runs in every page before anything else: what media did, stalls, and
// digests of what decoders were given.
//
//go:embed record.js
var record string

// Options of a page.
type Options struct {
	// Proxy is the URL of an HTTP proxy for all of the page's requests.
	Proxy string
	// Width and Height of the window; 1280 × 720 without.
	Width, Height int
}

// Open makes a page.
func (b *Browser) Open(ctx context.Context, o Options) (*Page, error) {
	p := &Page{browser: b, open: map[string]*Request{}, frames: map[string]int{}}
	params := map[string]any{"disposeOnDetach": true}
	if o.Proxy != "" { // loopback goes past proxies unless told otherwise
		params["proxyServer"], params["proxyBypassList"] = o.Proxy, "<-loopback>"
	}
	var made struct{ BrowserContextID, TargetID, SessionID string }
	if err := b.call(ctx, "", "Target.createBrowserContext", params, &made); err != nil {
		return nil, err
	}
	p.context = made.BrowserContextID
	width, height := o.Width, o.Height
	if width == 0 {
		width, height = 1280, 720
	}
	target := map[string]any{"url": "about:blank", "browserContextId": p.context, "width": width, "height": height}
	if err := b.call(ctx, "", "Target.createTarget", target, &made); err != nil {
		return nil, err
	}
	p.target = made.TargetID
	if err := b.call(ctx, "", "Target.attachToTarget", map[string]any{"targetId": p.target, "flatten": true}, &made); err != nil {
		return nil, err
	}
	p.session = made.SessionID
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, method := range []string{"Page.enable", "Runtime.enable", "Network.enable"} {
		if err := p.call(ctx, method, nil, nil); err != nil {
			return nil, err
		}
	}
	return p, p.call(ctx, "Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": record}, nil)
}

// Close ends the page and forgets its storage.
func (p *Page) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := p.browser.call(ctx, "", "Target.disposeBrowserContext", map[string]any{"browserContextId": p.context}, nil)
	p.browser.mu.Lock()
	delete(p.browser.pages, p.session)
	p.browser.mu.Unlock()
	return err
}

func (p *Page) call(ctx context.Context, method string, params, result any) error {
	return p.browser.call(ctx, p.session, method, params, result)
}

// Goto opens a URL; it does not wait until all of it is there.
func (p *Page) Goto(ctx context.Context, url string) error {
	var got struct{ ErrorText string }
	if err := p.call(ctx, "Page.navigate", map[string]any{"url": url}, &got); err != nil {
		return err
	}
	if got.ErrorText != "" {
		return fmt.Errorf("open %s: %s", url, got.ErrorText)
	}
	return nil
}

// Eval evaluates an expression in the page, waits for its promise, and reads
// its value into out, which may be nil.
func (p *Page) Eval(ctx context.Context, expression string, out any) error {
	return p.eval(ctx, 0, expression, out)
}

// EvalIn evaluates in the frame whose document has this origin.
func (p *Page) EvalIn(ctx context.Context, origin, expression string, out any) error {
	p.mu.Lock()
	id := p.frames[origin]
	p.mu.Unlock()
	if id == 0 {
		return fmt.Errorf("no frame of %s is open", origin)
	}
	return p.eval(ctx, id, expression, out)
}

func (p *Page) eval(ctx context.Context, id int, expression string, out any) error {
	params := map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true}
	if id != 0 {
		params["contextId"] = id
	}
	var got struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	if err := p.call(ctx, "Runtime.evaluate", params, &got); err != nil {
		return err
	}
	if e := got.ExceptionDetails; e != nil {
		return errors.New(strings.TrimSpace(e.Text + " " + e.Exception.Description))
	}
	if out == nil || len(got.Result.Value) == 0 {
		return nil
	}
	return json.Unmarshal(got.Result.Value, out)
}

// Until waits until an expression is true; expressions that throw are false.
func (p *Page) Until(ctx context.Context, expression string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		var is bool
		if err := p.Eval(ctx, "!!("+expression+")", &is); err == nil && is {
			return nil
		} else if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-p.browser.gone:
			return errors.New("the browser has ended")
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting for %s: %w", expression, ctx.Err()), last)
		}
	}
}

// Click presses the mouse in the middle of what a selector finds.
func (p *Page) Click(ctx context.Context, selector string) error {
	var at struct{ X, Y float64 }
	find := fmt.Sprintf("(() => { const r = document.querySelector(%q).getBoundingClientRect(); return { X: r.x + r.width / 2, Y: r.y + r.height / 2 } })()", selector)
	if err := p.Eval(ctx, find, &at); err != nil {
		return err
	}
	for _, kind := range []string{"mouseMoved", "mousePressed", "mouseReleased"} {
		params := map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}
		if kind == "mouseMoved" {
			params["button"] = "none"
		}
		if err := p.call(ctx, "Input.dispatchMouseEvent", params, nil); err != nil {
			return err
		}
	}
	return nil
}

// Requests are copies of all that the page has made so far, in order.
func (p *Page) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Request, len(p.requests))
	for i, r := range p.requests {
		out[i] = *r
	}
	return out
}

// Console is what the page printed, and exceptions that nobody caught.
func (p *Page) Console() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.console)
}
