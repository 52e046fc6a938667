package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/internal/devnet"
	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta/metahttp"
)

// operatorFlags say which meta node, and with which key.
type operatorFlags struct {
	metas []string
	key   string
	ca    string
}

func (c *cli) addOperator(cmd *cobra.Command) *operatorFlags {
	o := new(operatorFlags)
	var metas []string
	if m := c.getenv("STRATOS_META"); m != "" {
		metas = []string{m}
	}
	cmd.Flags().StringSliceVar(&o.metas, "meta", metas, "meta node's URL ($STRATOS_META)")
	cmd.Flags().StringVar(&o.key, "operator-key", c.getenv("STRATOS_OPERATOR_KEY_FILE"), "the operator's key file ($STRATOS_OPERATOR_KEY_FILE)")
	cmd.Flags().StringVar(&o.ca, "ca", c.getenv("STRATOS_CA"), "PEM file of a certificate authority to trust besides the system's ($STRATOS_CA)")
	return o
}

// operator is a client of the meta node with the operator's key; the folder's
// network gives what the flags leave out.
func (c *cli) operator(o *operatorFlags) (*metahttp.Client, error) {
	metas := o.metas
	if len(metas) == 0 {
		n, err := devnet.Load(c.dir)
		if err != nil {
			return nil, networkError(fmt.Errorf("%w (or give --meta and --operator-key)", err))
		}
		metas = n.Meta
	}
	private, err := nodeauth.Load(c.operatorKey(o))
	if err != nil {
		return nil, fail(exitNotFound, "--operator-key names the key that the meta node's `operator` line allows", err)
	}
	caller, err := httpClient(o.ca)
	if err != nil {
		return nil, err
	}
	return metahttp.NewClient(metahttp.ClientConfig{URLs: metas, Signer: nodeauth.NewSigner(private), HTTP: caller}), nil
}

func (c *cli) operatorKey(o *operatorFlags) string {
	if o.key != "" {
		return o.key
	}
	return filepath.Join(c.dir, "operator.key")
}
