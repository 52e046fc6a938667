// Package archtest holds the table of what each room may import. It lives in
// internal because the rule spans all rooms; docs/architecture.md says the same
// in words, and both change together.
package archtest

// Module is the path of the root module.
const Module = "github.com/stratos-mesh/stratos"

// Room is a part of the tree with one job, and the parts that it may import.
type Room struct {
	// Path prefix below the module, longest match wins.
	Path string
	// May lists path prefixes of ours; the room itself is always allowed.
	May []string
}

// Rooms from the bottom up.
var Rooms = []Room{
	{Path: "sds"},
	{Path: "internal", May: []string{"receipt", "sds"}},
	{Path: "player"},
	{Path: "transcode", May: []string{"internal/hls"}},
	{Path: "meta", May: []string{"receipt", "sds", "internal"}},
	{Path: "router", May: []string{"receipt", "sds", "internal", "meta"}},
	{Path: "origin", May: []string{"transcode", "meta", "sds", "internal"}},
	{Path: "edge", May: []string{"meta", "receipt", "sds", "internal"}},
	{Path: "plugins/meta", May: []string{"meta", "receipt", "sds", "internal", "player"}},
	{Path: "plugins/router", May: []string{"router", "meta", "receipt", "sds", "internal", "player"}},
	{Path: "plugins/origin", May: []string{"origin", "transcode", "meta", "sds", "internal", "player"}},
	{Path: "cmd", May: []string{""}},
	{Path: "e2e", May: []string{""}},
}

// Heavy libraries and the only rooms that may import them: a library that
// reaches everywhere cannot be replaced.
var Heavy = map[string][]string{
	"github.com/caddyserver/": {"edge", "plugins", "cmd", "e2e"},
	"github.com/cosmos/":      {"chain"},
	"github.com/cometbft/":    {"chain"},
}
