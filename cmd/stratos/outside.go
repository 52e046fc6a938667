package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metahttp"
)

// fromOutside says in a sentence what others saw of an edge: what works, what is
// not there, and what fails from where. A part that everybody found well, or
// nobody had a chance to look at, needs no words of its own but for the three
// that viewers come by.
func fromOutside(e *meta.EdgeStatus) string {
	if len(e.Dials) == 0 {
		return "not dialled yet"
	}
	var parts []string
	for i, first := range e.Dials[0].Parts() {
		var failed, said []string
		from := map[string][]meta.EdgeID{}
		untried := ""
		works, announced := false, false
		for _, d := range e.Dials {
			r := d.Parts()[i].Result
			announced = announced || r.Outcome != meta.NotAnnounced
			works = works || r.Outcome == meta.DialOK
			switch r.Outcome {
			case meta.DialUntried:
				untried = r.Detail
			case meta.DialFailed:
				if from[r.Detail] == nil {
					failed = append(failed, r.Detail)
				}
				from[r.Detail] = append(from[r.Detail], d.By)
			}
		}
		for _, why := range failed {
			said = append(said, why+" from "+edgeList(from[why]))
		}
		inner := first.Name == "certificate" || first.Name == "key"
		switch {
		case len(said) > 0 && works:
			parts = append(parts, first.Name+": "+strings.Join(said, " and ")+", ok from others")
		case len(said) > 0:
			parts = append(parts, first.Name+": "+strings.Join(said, " and "))
		case inner:
		case works:
			parts = append(parts, first.Name+" ok")
		case !announced:
			parts = append(parts, first.Name+" not announced")
		default:
			parts = append(parts, first.Name+" not tried ("+untried+")")
		}
	}
	return strings.Join(parts, ", ")
}

// edgeList names edges in words.
func edgeList(ids []meta.EdgeID) string {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = fmt.Sprint(id)
	}
	if len(words) == 1 {
		return "edge " + words[0]
	}
	return "edges " + strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// judgeOutside says how grave what others saw is, and what to do: fail where
// viewers do not come through, warn where some do not or have to go another way.
func judgeOutside(e *meta.EdgeStatus) (result, fix string) {
	reached, not := 0, 0
	bad := map[string]bool{}
	for i := range e.Dials {
		yes, told := e.Dials[i].Verdict()
		switch {
		case told && yes:
			reached++
		case told:
			not++
		}
		for _, part := range e.Dials[i].Parts() {
			if part.Result.Outcome == meta.DialFailed {
				bad[part.Name] = true
			}
		}
	}
	switch {
	case bad["key"]:
		fix = "another program or machine answers at its address: compare the A and AAAA records and the forwarded ports with the machine"
	case bad["certificate"]:
		fix = "look for ACME errors in its log; TCP 80 and 443 must be open from everywhere, and the site in its Caddyfile must be the announced host"
	case bad["IPv4"], bad["IPv6"]:
		fix = "open that TCP port for everybody, in the firewall and at the router that forwards it, or take the address out of DNS"
	case bad["HTTP/3"]:
		fix = "open that UDP port for everybody; until then viewers use HTTP/2"
	}
	switch {
	case len(e.Dials) == 0 && e.State == meta.Joining:
		return "warn", "is it running? Two other edges dial it within a minute of its first heartbeat"
	case not > reached:
		return "fail", fix
	case len(bad) > 0:
		return "warn", fix
	}
	return "ok", ""
}

// outsideFindings are what doctor says of each edge as others see it.
func outsideFindings(s *meta.Status) (out []finding) {
	for i := range s.Edges {
		e := &s.Edges[i]
		result, fix := judgeOutside(e)
		out = append(out, finding{fmt.Sprintf("edge %d", e.ID), result, "from outside: " + fromOutside(e), fix})
	}
	return out
}

// seenFindings asks a meta node what others saw.
func seenFindings(ctx context.Context, name string, client *metahttp.Client, err error) []finding {
	var s *meta.Status
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		s, err = client.Status(ctx)
	}
	if err != nil {
		return []finding{{name, "warn", "nobody tells how they look from outside: " + err.Error(), "is the meta node running, and was this key admitted (an edge) or named in its `operator` line?"}}
	}
	return outsideFindings(s)
}

// client asks the meta nodes as the edge that a Caddyfile describes.
func (e edgeConfig) client() (*metahttp.Client, error) {
	key, err := nodeauth.Load(filepath.Join(e.dir, "node.key"))
	if err != nil {
		return nil, err
	}
	caller, err := httpClient(e.ca)
	if err != nil {
		return nil, err
	}
	return metahttp.NewClient(metahttp.ClientConfig{URLs: e.metas, Signer: nodeauth.NewSigner(key), HTTP: caller}), nil
}
