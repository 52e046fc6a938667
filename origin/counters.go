package origin

import (
	"sync/atomic"

	"github.com/stratos-mesh/stratos/origin/pipeline"
)

// Counters count what an origin did since it was made.
type Counters struct {
	Pipeline pipeline.Counters
	// Requests by class of their answer: index 2 is 2xx.
	Requests [6]atomic.Int64
	// BytesIn are bytes of uploads that were read.
	BytesIn atomic.Int64
	// Published names, Removed names, and uploads and bundles that Expired.
	Published, Removed, Expired atomic.Int64
	// Videos that became ready, that failed, and states of growing ones shown.
	VideosReady, VideosFailed, VideoStates atomic.Int64
	// Tasks of videos that workers did, and those that were given back.
	TasksDone, TasksFailed atomic.Int64
	// HooksSent are webhooks that were taken, HooksDropped those given up.
	HooksSent, HooksDropped atomic.Int64
	// Refused by quota or rate.
	Refused atomic.Int64
	// Uploads are requests with a body under way; OpenUploads and OpenBundles wait
	// for more.
	Uploads, OpenUploads, OpenBundles atomic.Int64
}
