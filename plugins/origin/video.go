package caddyorigin

import (
	"context"
	"path/filepath"
	"runtime"

	"github.com/stratos-mesh/stratos/origin"
	"github.com/stratos-mesh/stratos/transcode"
	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// niceness of ffmpeg: encoding leaves the processor to whoever serves.
const niceness = 5

// video is what this handler says of videos.
func (h *Handler) video() origin.Video {
	v := origin.Video{
		Probe: transcode.Probe, Ladder: transcode.Ladder, Assemble: transcode.Assemble, Grow: transcode.Grow,
		Box:  func(ctx context.Context) (*sandbox.Box, error) { return sandbox.Open(ctx, h.sandbox()) },
		Disk: h.VideoDisk, PrivateHooks: h.PrivateWebhooks, Policy: transcode.Policy{MaxHeight: h.MaxHeight},
	}
	if jobs := h.workers(); jobs > 0 {
		v.Worker = func(ctx context.Context, socket string) error {
			return runChild(ctx, child{Origin: socket, Dir: filepath.Join(h.Dir, "worker"), Jobs: jobs, Sandbox: h.sandbox()}, h.log)
		}
	}
	return v
}

func (h *Handler) sandbox() sandbox.Config {
	return sandbox.Config{Nice: niceness, Unconfined: h.Unconfined}
}

// workers is how many pieces this origin encodes at a time.
func (h *Handler) workers() int {
	if h.Workers != nil {
		return *h.Workers
	}
	return max(1, runtime.GOMAXPROCS(0)/2)
}
