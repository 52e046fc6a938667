package browser

import (
	"encoding/json"
	"time"
)

// maxConsole bounds what is kept of a page that prints without end.
const maxConsole = 200

// event takes in what the browser tells of a page.
func (p *Page) event(method string, params json.RawMessage) {
	var e struct {
		RequestID        string
		Request          struct{ Method, URL string }
		RedirectResponse *struct{ Status int }
		Response         struct{ Status int }
		ErrorText        string
		Type             string
		Args             []struct {
			Value       any
			Description string
		}
		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
		Context struct {
			ID     int
			Origin string
		}
	}
	if json.Unmarshal(params, &e) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.open[e.RequestID]
	switch method {
	case "Network.requestWillBeSent":
		if e.RedirectResponse != nil && r != nil { // the same id, another URL
			r.Status, r.Done = e.RedirectResponse.Status, true
		}
		r = &Request{Method: e.Request.Method, URL: e.Request.URL, At: time.Now()}
		p.open[e.RequestID] = r
		p.requests = append(p.requests, r)
	case "Network.responseReceived":
		if r != nil {
			r.Status = e.Response.Status
		}
	case "Network.loadingFinished":
		if r != nil {
			r.Done = true
		}
		delete(p.open, e.RequestID)
	case "Network.loadingFailed":
		if r != nil {
			r.Failed = e.ErrorText
		}
		delete(p.open, e.RequestID)
	case "Runtime.executionContextCreated":
		p.frames[e.Context.Origin] = e.Context.ID
	case "Runtime.consoleAPICalled":
		line := e.Type
		for _, a := range e.Args {
			text, err := json.Marshal(a.Value)
			if err != nil || a.Value == nil {
				text = []byte(a.Description)
			}
			line += " " + string(text)
		}
		p.print(line)
	case "Runtime.exceptionThrown":
		p.print(e.ExceptionDetails.Text + " " + e.ExceptionDetails.Exception.Description)
	}
}

func (p *Page) print(line string) {
	if len(p.console) < maxConsole {
		p.console = append(p.console, line)
	}
}
