// Command stratos is Caddy with the Stratos modules and a command line of its
// own: the program behind every edge, origin, router and meta node.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/stratos-mesh/stratos/edge"
	_ "github.com/stratos-mesh/stratos/plugins/meta"
	_ "github.com/stratos-mesh/stratos/plugins/origin"
	_ "github.com/stratos-mesh/stratos/plugins/router"
	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// version is set by the linker.
var version = "unknown"

func main() {
	sandbox.Main() // this process may be the one that becomes ffmpeg
	// Caddy's own commands handle signals themselves; ours end by their context.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if len(os.Args) > 1 && isCaddyCommand(os.Args[1]) {
		stop()
		ctx = context.Background()
	}
	c := &cli{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, version: version}
	code := c.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
