package router

import (
	"context"
	"slices"
	"testing"

	"github.com/stratos-mesh/stratos/meta"
)

// Who signs tickets must not send viewers to himself: his edges are in no ticket
// of his, not even as a source, and whoever asks is told why.
func TestATicketNamesNoEdgeOfItsSignersOperator(t *testing.T) {
	s := newScene(t)
	s.meta.change(func(n *meta.Network) {
		n.Edges = slices.Clone(n.Edges)
		for i := range n.Edges {
			n.Edges[i].Operator = map[meta.EdgeID]string{1: "signer", 3: "signer", 2: "other"}[n.Edges[i].ID]
		}
		n.AuthorityOperators = map[uint16]string{1: "signer", 2: ""}
	})
	if err := s.router.poll(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{inFrankfurt, inSingapore} {
		ticket := ticketOf(t, follow(t, s.get(from, "/pub/film.mp4")).Query().Get("t"))
		for _, id := range slices.Concat(ticket.Edges, ticket.Sources) {
			if id == 1 || id == 3 {
				t.Errorf("from %s: edges %v, sources %v", from, ticket.Edges, ticket.Sources)
			}
		}
		// No one else is in the way: edges without an operator are nobody's.
		if len(ticket.Edges) != 3 {
			t.Errorf("from %s: edges %v, want the three others", from, ticket.Edges)
		}
		for _, url := range []string{"/v1/why/" + ticket.ID.String(), "/v1/route/pub/film.mp4"} {
			d := decode[Decision](s, s.get(from, url))
			reasons := map[meta.EdgeID]string{}
			for _, e := range d.Rejected {
				reasons[e.Edge] = e.Reason
			}
			if reasons[1] != ownOperator || reasons[3] != ownOperator || reasons[2] == ownOperator {
				t.Errorf("%s from %s says %v", url, from, d.Rejected)
			}
		}
	}
}

func TestANetworkOfTheSignersEdgesAloneHasNobodyToSendViewersTo(t *testing.T) {
	t.Parallel()
	edges := world()
	for i := range edges {
		edges[i].Operator = "signer"
	}
	choice := new(Choice)
	q := Query{Lat: 50, Lon: 8, Holders: []meta.EdgeID{1, 3}}
	Rank(NewTable(edges, true, nil, "signer"), &q, choice)
	if len(choice.Working)+len(choice.Rest)+len(choice.Sources) != 0 {
		t.Errorf("got %v, %v, %v", choice.Working, choice.Rest, choice.Sources)
	}
	// Off when no authority tells its operator.
	Rank(NewTable(edges, true, nil), &q, choice)
	if len(choice.Working) == 0 || len(choice.Sources) != 2 {
		t.Errorf("without the rule: %v, sources %v", choice.Working, choice.Sources)
	}
}
