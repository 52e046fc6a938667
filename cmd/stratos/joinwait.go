package main

import (
	"context"
	"fmt"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

const (
	// joinWait is how long `edge join` waits to be let in: the certificate, two
	// dials and a second try.
	joinWait = 5 * time.Minute
	joinPoll = 2 * time.Second
)

// awaitDial waits until a new edge is routed to, and says what it waits for.
// What was seen of it in the end comes with the error as well.
func awaitDial(ctx context.Context, status func(context.Context) (*meta.Status, error), id meta.EdgeID, config string, say func(string, ...any)) (*meta.EdgeStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, joinWait)
	defer cancel()
	var seen *meta.EdgeStatus
	var last error
	said := ""
	for {
		s, err := status(ctx)
		if err != nil && ctx.Err() == nil {
			last = err
		}
		if err == nil {
			for i := range s.Edges {
				if s.Edges[i].ID == id {
					seen, last = &s.Edges[i], nil
				}
			}
		}
		text := fmt.Sprintf("waiting for edge %d to start: `stratos run --config %s`, now, in another terminal or as a service", id, config)
		switch {
		case last != nil:
			text = fmt.Sprintf("no meta node tells: %v", last)
		case seen == nil || seen.LastBeat.IsZero():
		case seen.State == meta.Live:
			return seen, nil
		case len(seen.Dials) == 0:
			text = fmt.Sprintf("edge %d is heard; waiting for others to dial it from outside", id)
		default:
			text = "from outside: " + fromOutside(seen)
			if _, fix := judgeOutside(seen); fix != "" {
				text += "; " + fix + ". It is dialled again every half minute"
			}
		}
		if text != said {
			said = text
			say("%s", text)
		}
		select {
		case <-time.After(joinPoll):
		case <-ctx.Done():
			return seen, notJoined(seen, id, last)
		}
	}
}

// notJoined says why nobody is sent to a new edge yet, and what to do.
func notJoined(seen *meta.EdgeStatus, id meta.EdgeID, last error) error {
	const again = "it is registered; `stratos edge join` with the same flags waits again, --no-wait does not wait"
	switch {
	case last != nil:
		return fail(exitUnreachable, again, last)
	case seen == nil || seen.LastBeat.IsZero():
		return fail(exitFailed, again, fmt.Errorf("edge %d was never heard: is it running, and may it dial out to the meta node?", id))
	case len(seen.Dials) == 0:
		return fail(exitFailed, again, fmt.Errorf("edge %d is %s, and no other edge has dialled it", id, stateName(seen.State)))
	}
	_, fix := judgeOutside(seen)
	if fix == "" {
		fix = again
	}
	return fail(exitFailed, fix, fmt.Errorf("edge %d is %s; from outside: %s", id, stateName(seen.State), fromOutside(seen)))
}
