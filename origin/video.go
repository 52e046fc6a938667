package origin

import (
	"context"
	"errors"

	"github.com/stratos-mesh/stratos/transcode"
	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// Video says how an origin makes videos of uploads. Without Probe it makes
// none. Zero values mean the defaults named here.
type Video struct {
	Probe    transcode.ProbeFunc
	Ladder   transcode.LadderFunc
	Assemble transcode.AssembleFunc
	Grow     transcode.GrowFunc
	// Box opens where ffmpeg runs, once it is needed.
	Box func(context.Context) (*sandbox.Box, error)
	// Policy of ladders, where an asset does not say.
	Policy transcode.Policy
	// Disk bounds the bytes of sources and of what is made of them here; 200 GiB.
	Disk int64
	// Worker runs a worker of this origin until ctx ends; it finds the origin at
	// socket, as work.Config.Origin. It is started again when it ends. Nil is none:
	// workers are elsewhere.
	Worker func(ctx context.Context, socket string) error
	// PrivateHooks lets webhooks go to loopback and private addresses.
	PrivateHooks bool
}

func (v *Video) on() bool { return v.Probe != nil }

func (v *Video) validate() error {
	switch {
	case !v.on():
		return nil
	case v.Ladder == nil || v.Assemble == nil || v.Grow == nil || v.Box == nil:
		return errors.New("origin: video needs all of Probe, Ladder, Assemble, Grow and Box")
	case v.Disk < 0:
		return errors.New("origin: a limit is below zero")
	}
	return nil
}
