package metahttp

import (
	"crypto/ed25519"
	"crypto/rand"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// NewInvitation is the token with which one node of a kind admits itself until a
// time: signed by an operator, to be handed to the node's owner like a password.
func NewInvitation(operator ed25519.PrivateKey, chainID string, kind meta.NodeKind, until time.Time) string {
	invitation := meta.Invitation{Kind: kind, Until: until}
	rand.Read(invitation.Number[:]) // never fails
	invitation.Sign(operator, chainID)
	return invitation.Text()
}
