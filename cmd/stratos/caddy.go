package main

import (
	"slices"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// caddyCommands are the commands of Caddy that are ours too. Those that replace
// the running binary by a download are left out: it would lose our modules.
func caddyCommands() []string {
	return []string{
		"run", "start", "stop", "reload", "adapt", "validate", "fmt", "list-modules",
		"build-info", "storage", "trust", "untrust", "hash-password",
	}
}

func isCaddyCommand(name string) bool { return slices.Contains(caddyCommands(), name) }

func addCaddyCommands(root *cobra.Command) {
	all := caddycmd.Commands()
	for _, name := range caddyCommands() {
		theirs, ok := all[name]
		if !ok {
			continue // a build of Caddy without it
		}
		cmd := &cobra.Command{Use: theirs.Name + " " + theirs.Usage, Short: theirs.Short, Long: theirs.Long, GroupID: groupDevelop}
		if theirs.CobraFunc != nil {
			theirs.CobraFunc(cmd)
		} else {
			cmd.RunE = caddycmd.WrapCommandFuncForCobra(theirs.Func)
			cmd.Flags().AddGoFlagSet(theirs.Flags)
		}
		root.AddCommand(cmd)
	}
}
