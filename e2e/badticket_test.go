package e2e

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/devnet"
	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/receipt"
)

func TestForgedAndExpiredTicketsOpenNothing(t *testing.T) {
	n := start(t, "--edges", "2")
	want := content(140, 1<<20+9)
	n.stratos("put", folder(t, map[string][]byte{"a.bin": want}), "tickets/folder")
	n.stratos("put", folder(t, map[string][]byte{"b.bin": []byte("other")}), "tickets/other")
	good := n.ticketed("tickets/folder/a.bin", "198.18.0.9")
	edge, rest, _ := strings.Cut(good, "/t/")
	text, path, _ := strings.Cut(rest, "/")
	authority, err := nodeauth.LoadOrCreate(filepath.Join(n.role("meta-1").Dir, "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := nodeauth.LoadOrCreate(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	// edited is the good ticket with a change, signed again by the authority.
	edited := func(change func(*receipt.Ticket)) string {
		ticket, err := receipt.ParseTicket(text)
		if err != nil {
			t.Fatal(err)
		}
		change(ticket)
		ticket.Sign(authority, devnet.ChainID)
		return ticket.Text()
	}
	forged, err := receipt.ParseTicket(text)
	if err != nil {
		t.Fatal(err)
	}
	forged.MaxBytes *= 2
	unsigned := forged.Text()
	forged.Sign(stranger, devnet.ChainID)

	for name, ticket := range map[string]string{
		"changed without a signature": unsigned,
		"signed by a stranger":        forged.Text(),
		"expired": edited(func(k *receipt.Ticket) {
			k.ID = receipt.NewTicketID(time.Now().Add(-time.Minute), k.ID.Authority(), k.ID.Sequence())
		}),
		"for other edges":         edited(func(k *receipt.Ticket) { k.Edges = []uint32{99} }),
		"for fills between edges": edited(func(k *receipt.Ticket) { k.Class = receipt.ClassM }),
		"of another chain":        func() string { k := *forged; k.Sign(authority, "another-chain"); return k.Text() }(),
		"cut short":               text[:len(text)-4],
		"of 60,000 characters":    strings.Repeat("A", 60_000),
		"no ticket at all":        "x",
	} {
		t.Run(name, func(t *testing.T) {
			address := edge + "/t/" + ticket + "/" + path
			resp, _ := n.raw(t, address)
			switch location := resp.Header.Get("Location"); resp.StatusCode {
			case http.StatusRequestHeaderFieldsTooLarge: // by the server, before it is read
				return
			case http.StatusTemporaryRedirect:
				if location != n.Router+"/"+path+"?r=1" || resp.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("sent to %q with %q, want the router, no-store", location, resp.Header.Get("Cache-Control"))
				}
			default:
				isProblem(t, resp, 400, 404)
			}
			// Where a router has sent it there already, it does not go in circles.
			resp, _ = n.raw(t, address+"?r=1")
			isProblem(t, resp, 400, 404, 503)
		})
	}
	t.Run("a good one opens only what it is bound to", func(t *testing.T) {
		resp, _ := n.raw(t, edge+"/t/"+text+"/tickets/other/b.bin?r=1")
		isProblem(t, resp, 404, 503)
	})
	if got := n.fetch("tickets/folder/a.bin", 5*time.Second); !bytes.Equal(got, want) {
		t.Error("after all this, the good way gives other bytes")
	}
	n.checkMemory()
}
