package node

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/place"
)

const (
	// diallers are asked to dial an edge from outside; more when they disagree.
	diallers = 2
	// dialAgain is how long to wait with an edge that was not reached yet, and
	// for the word of a dialler.
	dialAgain = 30 * time.Second
)

// dialled is what is known of an edge from outside.
type dialled struct {
	// asked is when the running round began; open until it is judged.
	asked time.Time
	open  bool
	// enough is how many words the round needs.
	enough int
	// waiting are those whose word is awaited, left those who may be asked yet.
	waiting, left []meta.EdgeID
	words         []meta.DialReport
	// newest are the newest reports, one of each dialler, for people.
	newest []meta.DialReport
}

// askToDial has every edge dialled by two others once it was heard, and again in
// every epoch: what says that it lives may still not be reachable for viewers.
// Where nothing hangs on it, in development networks, it is for people to see.
// The lock is held.
func (n *Node) askToDial() {
	now := n.cfg.Now()
	heard := n.heard(now)
	for _, id := range heard {
		m := n.fleet.byID[id]
		if len(heard) == 1 {
			// The only edge there is has nobody who could dial it.
			n.reached(id, true)
			continue
		}
		waited := now.Sub(m.dialled.asked)
		switch {
		case waited < dialAgain:
			continue
		case m.dialled.open:
			// Who said nothing until now is not waited for.
			m.dialled.asked, m.dialled.waiting = now, nil
			n.judgeDial(m)
			continue
		case waited < n.cfg.EpochLength && m.edge.State == meta.Live:
			continue
		}
		m.dialled.asked, m.dialled.open, m.dialled.words, m.dialled.waiting = now, true, nil, nil
		m.dialled.left = n.whoDials(m, heard, now)
		m.dialled.enough = min(diallers, len(m.dialled.left))
		n.askMore(m)
	}
}

// heard lists the edges that beat, in the order of their numbers.
func (n *Node) heard(now time.Time) (out []meta.EdgeID) {
	for id := range n.fleet.byID {
		if last := n.fleet.tracker.LastBeat(id); !last.IsZero() && now.Sub(last) <= 3*n.fleet.interval {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// whoDials lists those who may dial an edge, the best first: others each time,
// so that no two can vouch for each other for long, and each of another operator
// as far as there are any. Where enough edges are live, nobody who is not has a
// say: joining costs nothing. The lock is held.
func (n *Node) whoDials(m *member, heard []meta.EdgeID, now time.Time) []meta.EdgeID {
	others := slices.DeleteFunc(slices.Clone(heard), func(id meta.EdgeID) bool { return id == m.edge.ID })
	live := slices.DeleteFunc(slices.Clone(others), func(id meta.EdgeID) bool { return n.fleet.byID[id].edge.State != meta.Live })
	if len(live) >= diallers {
		others = live
	}
	salt, id := uint64(now.Unix()), m.edge.ID
	ranked := place.Rank(meta.UnitKey{byte(salt), byte(salt >> 8), byte(salt >> 16), byte(salt >> 24), byte(id), byte(id >> 8)}, others...)
	// How many of an operator came before says how late an edge is asked.
	before := map[string]int{m.edge.Operator: 1}
	turn := make(map[meta.EdgeID]int, len(ranked))
	for _, id := range ranked {
		operator := n.fleet.byID[id].edge.Operator
		turn[id] = before[operator]
		before[operator]++
	}
	slices.SortStableFunc(ranked, func(a, b meta.EdgeID) int { return cmp.Compare(turn[a], turn[b]) })
	return ranked
}

// askMore asks as many edges as words are missing; the lock is held.
func (n *Node) askMore(m *member) {
	d := &m.dialled
	for len(d.words)+len(d.waiting) < d.enough && len(d.left) > 0 {
		by := d.left[0]
		d.left = d.left[1:]
		d.waiting = append(d.waiting, by)
		n.giveOnce(by, meta.Work{Kind: meta.Dial, Target: m.edge.ID})
	}
}

// dialDone takes what an edge saw that was asked to dial another; nil says that
// it could not try. The lock is held.
func (n *Node) dialDone(by meta.EdgeID, w meta.Work, r *meta.DialReport) {
	m, known := n.fleet.byID[w.Target]
	if !known {
		return
	}
	d := &m.dialled
	told := false
	if r != nil {
		seen := tidy(*r, by, w.Target, n.cfg.Now())
		d.newest = slices.DeleteFunc(d.newest, func(other meta.DialReport) bool { return other.By == by })
		d.newest = slices.Insert(d.newest, 0, seen)
		d.newest = d.newest[:min(len(d.newest), meta.MaxDialsShown)]
		_, told = seen.Verdict()
	}
	at := slices.Index(d.waiting, by)
	if at < 0 {
		return // of an earlier round
	}
	d.waiting = slices.Delete(d.waiting, at, at+1)
	if told {
		d.words = append(d.words, *r)
	}
	n.judgeDial(m)
}

// judgeDial decides on a round when its words are in. Nobody is shut out or let
// in on one word where two could be had: two who disagree are joined by a third,
// and where there is none, the one who came through is believed, for that is the
// harder one to make up. The lock is held.
func (n *Node) judgeDial(m *member) {
	d := &m.dialled
	yes := 0
	for i := range d.words {
		if reached, _ := d.words[i].Verdict(); reached {
			yes++
		}
	}
	no := len(d.words) - yes
	if len(d.words) >= d.enough && yes == no {
		d.enough = len(d.words) + 1
	}
	n.askMore(m)
	switch {
	case len(d.waiting) > 0:
		return
	case yes > 0 && yes >= no:
		n.reached(m.edge.ID, true)
	case no >= diallers || no > 0 && d.enough == 1:
		n.reached(m.edge.ID, false)
	}
	d.open = false
}

// reached tells the tracker, where the dials count; the lock is held.
func (n *Node) reached(id meta.EdgeID, yes bool) {
	if !n.cfg.Development {
		n.fleet.tracker.Dialled(id, yes)
	}
}

// tidy fills in what the dialler does not say of himself, and keeps the text fit
// for a terminal.
func tidy(r meta.DialReport, by, target meta.EdgeID, now time.Time) meta.DialReport {
	r.By, r.Target, r.Time, r.Number = by, target, now, 0
	for _, part := range []*meta.DialResult{&r.IPv4, &r.IPv6, &r.Certificate, &r.Key, &r.HTTP3} {
		part.Detail = strings.Map(func(c rune) rune {
			if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 {
				return -1
			}
			return c
		}, part.Detail)
	}
	return r
}
