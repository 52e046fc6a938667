package main

import (
	"github.com/spf13/cobra"
)

const (
	groupPublish = "publish"
	groupLook    = "look"
	groupOperate = "operate"
	groupDevelop = "develop"
)

// root builds the command tree.
func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "stratos",
		Short: "A content-delivery network that nobody owns",
		Long: `Stratos stores and serves content on machines all over the world.

One program is edge, origin, router and meta node (blocks in a Caddyfile) and
the command line for publishers and operators.`,
		Example: `  stratos up --edges 5              start a whole network on this machine
  stratos put ./site demo/site      publish a folder
  stratos get demo/site/index.html  fetch a file through the network`,
		Version:       c.version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Annotations:   map[string]string{},
		// Typos get the nearest command named.
		SuggestionsMinimumDistance: 2,
	}
	root.SetVersionTemplate("stratos {{.Version}}\n")
	dir := c.getenv("STRATOS_DIR")
	if dir == "" {
		dir = ".stratos"
	}
	flags := root.PersistentFlags()
	flags.StringVar(&c.dir, "dir", dir, "folder of the network ($STRATOS_DIR)")
	flags.BoolVar(&c.json, "json", false, "print JSON, one object a line")
	flags.BoolVarP(&c.quiet, "quiet", "q", false, "print no messages and no progress")
	flags.BoolVar(&c.noColor, "no-color", false, "print no colours ($NO_COLOR)")
	root.AddGroup(
		&cobra.Group{ID: groupPublish, Title: "Publish:"},
		&cobra.Group{ID: groupLook, Title: "Look:"},
		&cobra.Group{ID: groupOperate, Title: "Operate:"},
		&cobra.Group{ID: groupDevelop, Title: "Develop (Caddy's own commands):"})
	for id, commands := range map[string][]*cobra.Command{
		groupPublish: {c.put(), c.get(), c.rm(), c.mv(), c.rootOf()},
		groupLook:    {c.ls(), c.stat(), c.check(), c.route(), c.status()},
		groupOperate: {c.up(), c.down(), c.doctor(), c.geo(), c.edge(), c.worker(), c.keys(), c.ban(), c.unban(), c.bans()},
	} {
		for _, command := range commands {
			command.GroupID = id
			root.AddCommand(command)
		}
	}
	addCaddyCommands(root)
	root.AddCommand(exitCodes())
	root.SetHelpCommandGroupID(groupLook)
	root.SetCompletionCommandGroupID(groupDevelop)
	markStart(root)
	return root
}

// markStart notes on the root when a command's own code begins: what fails
// before is a mistake in the command line.
func markStart(cmd *cobra.Command) {
	for _, child := range cmd.Commands() {
		markStart(child)
	}
	if inner := cmd.RunE; inner != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			cmd.Root().Annotations["started"] = "yes"
			return inner(cmd, args)
		}
	}
}

// exitCodes is a help topic: a command without Run.
func exitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long: `Exit codes:

  0    done
  1    failed
  2    the command line is wrong
  3    no such name, file or network
  4    a server could not be reached
  5    a server refused (key, quota, conflict, ban), or this machine (what is in the way of a download)
  6    what came does not match its root
  130  stopped by Ctrl-C`,
	}
}
