package router

import (
	"math"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/router/geo"
)

// whyKept decisions can be asked about; older ones are forgotten.
const whyKept = 4096

// decisions remembers why the last tickets name the edges that they name.
type decisions struct {
	mu   sync.Mutex // guards all below
	ring []decision
	next int
	at   map[receipt.TicketID]int
}

// decision is what has to be kept of a ranking to explain it. Anybody who has
// seen a ticket may ask about it, so neither the client's address is kept nor
// its network, and of its place no more than the degree.
type decision struct {
	id       receipt.TicketID
	time     time.Time
	name     meta.Name
	version  uint64
	where    geo.Answer
	bits     float64
	requests float64
	group    int
	working  int
	chosen   [MostWorking]Candidate
	count    int
	sources  [TicketSources]meta.EdgeID
	sourced  int
	// own are the edges that the ticket could not name, of its signer's operator;
	// the slice is its table's.
	own []meta.EdgeID
}

func newDecisions() *decisions {
	return &decisions{ring: make([]decision, whyKept), at: make(map[receipt.TicketID]int, whyKept)}
}

func (d *decisions) remember(id receipt.TicketID, now time.Time, q *request, where geo.Answer, c *Choice, candidates []Candidate) {
	d.mu.Lock()
	defer d.mu.Unlock()
	slot := &d.ring[d.next]
	where.Network, where.City, where.ASN = netip.Prefix{}, "", 0
	where.Lat, where.Lon = math.Round(where.Lat), math.Round(where.Lon)
	delete(d.at, slot.id)
	*slot = decision{
		id: id, time: now, name: q.found.Record.Name, version: q.snapshot.network.Version, where: where,
		bits: q.bits, requests: q.before, group: c.Group, working: c.working,
		own: q.snapshot.table.own,
	}
	slot.count = copy(slot.chosen[:], candidates)
	slot.sourced = copy(slot.sources[:], c.Sources)
	d.at[id] = d.next
	d.next = (d.next + 1) % len(d.ring)
}

func (d *decisions) find(id receipt.TicketID) (decision, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, ok := d.at[id]
	if !ok {
		return decision{}, false
	}
	return d.ring[i], true
}

// explainTicket answers GET /v1/why/{ticket id}.
func (r *Router) explainTicket(w http.ResponseWriter, req *http.Request) error {
	id, err := receipt.ParseTicketID(req.PathValue("id"))
	if err != nil {
		return httperr.Wrap(err, http.StatusBadRequest, "bad-ticket-id", "a ticket id is 32 small hexadecimal digits")
	}
	d, ok := r.memory.why.find(id)
	if !ok {
		return httperr.New(http.StatusNotFound, "not-found", "this router does not remember that ticket").
			WithHint("only the router that issued it can tell, and only of its last %d tickets", whyKept)
	}
	answer := Decision{
		Name: d.name, Ticket: id.String(), Time: d.time.UTC().Truncate(time.Millisecond), NetworkVersion: d.version,
		Client: clientOf(d.where), DemandBits: d.bits, RecentRequests: d.requests, Group: d.group,
		Sources: d.sources[:d.sourced],
	}
	for i, c := range d.chosen[:d.count] {
		place := "rest"
		if i < d.working {
			place = "working"
		}
		answer.Candidates = append(answer.Candidates, candidateOf(c, place))
	}
	for _, id := range d.own {
		answer.reject(RejectedEdge{Edge: id, Reason: ownOperator})
	}
	return writeJSON(w, answer)
}
