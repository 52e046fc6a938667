package router

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
)

func TestAViewerIsSentToTheNearestEdge(t *testing.T) {
	t.Parallel()
	m := newFakeMeta(t, world()...)
	object := m.add("pub/film.mp4", meta.Object, 5<<20, 1, 3)
	bundle := m.add("pub/site", meta.Bundle, 5<<20, 1, 3)
	r := newTestRouter(t, m)

	answer := ask(t, r, "198.51.100.7", http.MethodGet, "/pub/film.mp4")
	to := follow(t, answer)
	if to.Host != "e1.test" || to.Path != "/pub/film.mp4" {
		t.Errorf("Frankfurt: got %s, want the edge there", to)
	}
	ticket := ticketOf(t, to.Query().Get("t"))
	if ticket.Bind != object.Record.Root.Digest || ticket.Class != receipt.ClassB || ticket.Edges[0] != 1 {
		t.Errorf("got a ticket %+v of another root, class or edge", ticket)
	}

	to = follow(t, ask(t, r, "203.0.113.7", http.MethodHead, "/pub/site/a%20b/c.html"))
	if to.Host != "e3.test" || !strings.HasPrefix(to.Path, "/t/") || !strings.HasSuffix(to.EscapedPath(), "/pub/site/a%20b/c.html") {
		t.Errorf("Singapore: got %s, want the edge there and the ticket in the path", to)
	}
	ticket = ticketOf(t, strings.Split(to.Path, "/")[2])
	if ticket.Bind != bundle.Record.Root.Digest {
		t.Error("the ticket binds another root")
	}
}

// follow checks the fixed parts of a redirect and returns where it leads.
func follow(t *testing.T, answer *http.Response) *url.URL {
	t.Helper()
	if answer.StatusCode != http.StatusTemporaryRedirect {
		t.Fatalf("got status %d, want 307", answer.StatusCode)
	}
	if got := answer.Header.Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("got Access-Control-Allow-Origin %q, want *", got)
	}
	to, err := answer.Location()
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func ticketOf(t *testing.T, text string) *receipt.Ticket {
	t.Helper()
	ticket, err := receipt.ParseTicket(text)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}
