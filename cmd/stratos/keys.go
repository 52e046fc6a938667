package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/origin/apikey"
)

func (c *cli) keys() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Make, list and remove API keys; make node keys"}
	var file string
	cmd.PersistentFlags().StringVar(&file, "file", "", "origin's key file (default: keys.json in --dir)")
	where := func() string {
		if file != "" {
			return file
		}
		return filepath.Join(c.dir, "keys.json")
	}
	cmd.AddCommand(c.keysCreate(where), c.keysList(where), c.keysRemove(where), c.keysNode())
	return cmd
}

func (c *cli) keysNode() *cobra.Command {
	return &cobra.Command{
		Use:   "node FILE",
		Short: "Print the public half of a node's or operator's key, making the key if there is none",
		Long: `Reads the Ed25519 key of a node or of a meta operator, or draws one and writes it to
FILE (PKCS#8 in PEM, mode 0600). What it prints goes into the ` + "`operator`" + ` line of a meta
node's Caddyfile; the file goes to --operator-key.`,
		Example: "  stratos keys node operator.key",
		Args:    exactly(1, "FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			key, err := nodeauth.LoadOrCreate(args[0])
			if err != nil {
				return err
			}
			id := nodeauth.KeyID(nodeauth.NewSigner(key).Key())
			return c.print(map[string]string{"key": id, "file": args[0]}, id)
		},
	}
}

func (c *cli) keysCreate(where func() string) *cobra.Command {
	var spec apikey.Key
	var scopes []string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a key and print it once; the file keeps its hash",
		Example: `  stratos keys create --note ci --scope read,write --namespace films
  stratos keys create --note me --scope admin --namespace '*' --max-bytes 1000000000000`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			for _, s := range scopes {
				spec.Scopes = append(spec.Scopes, apikey.Scope(s))
			}
			token, err := apikey.Create(where(), spec)
			if errors.Is(err, apikey.ErrInvalid) {
				return usage("%w", err)
			}
			if err != nil {
				return err
			}
			return c.print(map[string]string{"key": token}, token)
		},
	}
	f := cmd.Flags()
	f.StringVar(&spec.Note, "note", "", "whose key it is")
	f.StringSliceVar(&scopes, "scope", nil, "read, write, delete, work (encode videos), admin")
	f.StringSliceVar(&spec.Namespaces, "namespace", nil, "patterns of namespaces, '*' for all")
	f.Int64Var(&spec.MaxBytes, "max-bytes", 0, "bytes that may be published under it (0: no limit)")
	return cmd
}

func (c *cli) keysList(where func() string) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the keys, without the secrets", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			keys, err := apikey.Load(where())
			if errors.Is(err, os.ErrNotExist) {
				return fail(exitNotFound, "make one with `stratos keys create`", err)
			}
			if err != nil {
				return err
			}
			var b strings.Builder
			w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tSCOPES\tNAMESPACES\tCREATED\tNOTE")
			for _, k := range keys {
				if c.json {
					if err := c.print(k, ""); err != nil {
						return err
					}
				}
				fmt.Fprintf(w, "%s\t%v\t%s\t%s\t%s\n", k.ID, k.Scopes, strings.Join(k.Namespaces, ","), k.Created.Format("2006-01-02"), k.Note)
			}
			w.Flush()
			if c.json {
				return nil
			}
			return c.print(nil, strings.TrimRight(b.String(), "\n"))
		},
	}
}

func (c *cli) keysRemove(where func() string) *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Take a key back at once", Args: exactly(1, "the ID of a key"),
		RunE: func(_ *cobra.Command, args []string) error { return apikey.Remove(where(), args[0]) },
	}
}

// createAPIKey makes the key of a development network.
func createAPIKey(file string) (string, error) {
	return apikey.Create(file, apikey.Key{Note: "stratos up", Scopes: []apikey.Scope{apikey.Admin}, Namespaces: []string{"*"}})
}
