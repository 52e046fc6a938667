// Package browser drives the system's Chromium over the DevTools protocol, for
// tests and benchmarks that must see what a viewer sees. It speaks through a
// pipe, so there is no port and no dependency, and it fails where there is no
// Chromium.
package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Browser is a running Chromium. Each page has its own storage and cache.
type Browser struct {
	command *exec.Cmd
	profile string
	wire    io.WriteCloser
	gone    chan struct{} // closed when its pipe has ended

	mu    sync.Mutex // guards the rest, and writes
	calls map[int64]chan reply
	last  int64
	pages map[string]*Page // by session
}

// reply is a message of the browser: an answer when it has an id, else an event.
type reply struct {
	ID      int64           `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Session string          `json:"sessionId"`
	Error   *struct {
		Message string `json:"message"`
		Data    string `json:"data"`
	} `json:"error"`
}

// flags leave out whatever talks to strangers or depends on the machine.
var flags = []string{
	"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio", "--disable-sync",
	"--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-extensions",
	"--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
	"--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required", "--remote-debugging-pipe",
}

// Start runs Chromium headless.
func Start() (*Browser, error) {
	path, err := find()
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "stratos-chromium-")
	if err != nil {
		return nil, err
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	b := &Browser{profile: profile, wire: in, gone: make(chan struct{}), calls: map[int64]chan reply{}, pages: map[string]*Page{}}
	b.command = exec.Command(path, append(flags[:len(flags):len(flags)], "--user-data-dir="+profile, "about:blank")...)
	b.command.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4, where it looks for them
	b.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = b.command.Start()
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	go b.read(out)
	return b, nil
}

func find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no Chromium on the PATH: run `make setup`")
}

// Close ends Chromium and removes its profile.
func (b *Browser) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = b.call(ctx, "", "Browser.close", nil, nil)
	select {
	case <-b.gone:
	case <-ctx.Done():
	}
	_ = syscall.Kill(-b.command.Process.Pid, syscall.SIGKILL)
	_ = b.command.Wait()
	b.wire.Close()
	return os.RemoveAll(b.profile)
}

// read passes on answers and events until the pipe ends.
func (b *Browser) read(out io.ReadCloser) {
	defer out.Close()
	defer close(b.gone)
	in := bufio.NewReaderSize(out, 1<<20)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var r reply
		if json.Unmarshal(text[:len(text)-1], &r) != nil {
			continue
		}
		b.mu.Lock()
		answer, page := b.calls[r.ID], b.pages[r.Session]
		delete(b.calls, r.ID)
		b.mu.Unlock()
		switch {
		case answer != nil:
			answer <- r
		case page != nil:
			page.event(r.Method, r.Params)
		}
	}
}

// call asks the browser, or a page of it by its session.
func (b *Browser) call(ctx context.Context, session, method string, params, result any) error {
	answer := make(chan reply, 1)
	message := map[string]any{"method": method}
	if params != nil {
		message["params"] = params
	}
	if session != "" {
		message["sessionId"] = session
	}
	b.mu.Lock()
	b.last++
	message["id"] = b.last
	b.calls[b.last] = answer
	text, err := json.Marshal(message)
	if err == nil {
		_, err = b.wire.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case r := <-answer:
		if r.Error != nil {
			return fmt.Errorf("%s: %s %s", method, r.Error.Message, r.Error.Data)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(r.Result, result)
	case <-b.gone:
		return fmt.Errorf("%s: Chromium has ended", method)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}
