package origin

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"time"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
)

// owner returns the key that owns a namespace, drawn at its first use. Losing
// the folder of owner keys loses the namespaces: it belongs into a backup.
func (o *Origin) owner(namespace string) (ed25519.PrivateKey, error) {
	key, err := nodeauth.LoadOrCreate(filepath.Join(o.config().Dir, "owners", namespace+".pem"))
	if err != nil {
		return nil, fmt.Errorf("owner of namespace %s: %w", namespace, err)
	}
	return key, nil
}

// stamp is the time for the next order that an owner signs. No two are the
// same: a meta node takes orders about a name in the order of their times.
func (o *Origin) stamp() time.Time {
	o.stampMu.Lock()
	defer o.stampMu.Unlock()
	now := o.config().Now().UTC()
	if !now.After(o.stamped) {
		now = o.stamped.Add(1)
	}
	o.stamped = now
	return now
}

// signer is what an owner signs with: his key, for one network.
func (o *Origin) signer(ctx context.Context, name meta.Name) (ed25519.PrivateKey, string, error) {
	key, err := o.owner(name.Namespace())
	if err != nil {
		return nil, "", err
	}
	network, err := o.writer.Network(ctx)
	if err != nil {
		return nil, "", err
	}
	return key, network.ChainID, nil
}
