package meta_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew: a change of the format")

const chainID = "stratos-test-1"

func key(seed string) ed25519.PrivateKey {
	h := sha256.Sum256([]byte(seed))
	return ed25519.NewKeyFromSeed(h[:])
}

func cid(text string) sds.CID { return sds.Sum(sds.Raw, []byte(text)) }

var then = time.Unix(1_800_000_000, 123_456_789).UTC()

func grant() *meta.Grant {
	g := &meta.Grant{Authority: 7, Upload: [16]byte{1, 2, 3}, Unit: meta.UnitKey{4, 5, 6}, Edges: []meta.EdgeID{3, 1, 2}, MaxBytes: 1 << 40, Until: then}
	g.Sign(key("authority"), chainID)
	return g
}

func revocation() *meta.Revocation {
	v := &meta.Revocation{Number: 9, Authority: 7, Kind: meta.ByNetwork, Root: cid("root"), Objects: []sds.CID{cid("b"), cid("a"), cid("b")}, Reason: "court order", Time: then}
	v.Sign(key("authority"), chainID)
	return v
}

func publication() *meta.Publication {
	p := &meta.Publication{
		Name: "acme/talk", Kind: meta.Bundle, Root: cid("root"), Manifest: cid("manifest"), Size: 1 << 33, Objects: 12, Replicas: 3,
		Upload: [16]byte{1, 2, 3}, Durable: []meta.EdgeID{2, 1}, Time: then,
	}
	p.Sign(key("owner"), chainID)
	return p
}

func rename() *meta.Rename {
	m := &meta.Rename{From: "acme/talk", To: "acme/talks/1", Time: then}
	m.Sign(key("owner"), chainID)
	return m
}

func removal() *meta.Removal {
	m := &meta.Removal{Name: "acme/talk", Now: true, Time: then}
	m.Sign(key("owner"), chainID)
	return m
}

func growing() *meta.GrowingState {
	g := &meta.GrowingState{
		Name: "acme/talk", Upload: [16]byte{1, 2, 3}, Sequence: 4, Root: cid("root"), Manifest: cid("manifest"), Size: 1 << 33, Objects: 12, Replicas: 3,
		Durable: []meta.EdgeID{2, 1}, Time: then,
	}
	g.Sign(key("owner"), chainID)
	return g
}

// form is one kind of signed object, for tests that are the same for all.
type form struct {
	name    string
	encoded []byte
	// again decodes and encodes; verify decodes and checks the signature.
	again  func([]byte) ([]byte, error)
	verify func(b []byte, chainID string) error
}

func formOf[T any](name string, encoded []byte, decode func([]byte) (*T, error), encode func(*T) []byte, verify func(*T, string) error) form {
	return form{
		name, encoded,
		func(b []byte) ([]byte, error) {
			v, err := decode(b)
			if err != nil {
				return nil, err
			}
			return encode(v), nil
		},
		func(b []byte, chainID string) error {
			v, err := decode(b)
			if err != nil {
				return err
			}
			return verify(v, chainID)
		},
	}
}

func forms() []form {
	authority := key("authority").Public().(ed25519.PublicKey)
	return []form{
		formOf("grant", grant().Encode(), meta.DecodeGrant, (*meta.Grant).Encode,
			func(g *meta.Grant, chain string) error { return g.Verify(authority, chain) }),
		formOf("revocation", revocation().Encode(), meta.DecodeRevocation, (*meta.Revocation).Encode,
			func(v *meta.Revocation, chain string) error { return v.Verify(authority, chain) }),
		formOf("publication", publication().Encode(), meta.DecodePublication, (*meta.Publication).Encode, (*meta.Publication).Verify),
		formOf("rename", rename().Encode(), meta.DecodeRename, (*meta.Rename).Encode, (*meta.Rename).Verify),
		formOf("removal", removal().Encode(), meta.DecodeRemoval, (*meta.Removal).Encode, (*meta.Removal).Verify),
		formOf("growing state", growing().Encode(), meta.DecodeGrowingState, (*meta.GrowingState).Encode, (*meta.GrowingState).Verify),
	}
}

func TestSignedFormsHoldWhatTheyPromise(t *testing.T) {
	t.Parallel()
	for _, f := range forms() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			again, err := f.again(f.encoded)
			if err != nil || !bytes.Equal(again, f.encoded) {
				t.Fatalf("decoded and encoded again: %x, %v; want %x", again, err, f.encoded)
			}
			if err := f.verify(f.encoded, chainID); err != nil {
				t.Errorf("its own signature: %v", err)
			}
			if err := f.verify(f.encoded, "other-1"); !errors.Is(err, meta.ErrSignature) || !errors.Is(err, meta.ErrForbidden) {
				t.Errorf("in another network: %v, want ErrSignature", err)
			}
			for n := range f.encoded {
				if _, err := f.again(f.encoded[:n]); !errors.Is(err, meta.ErrInvalid) {
					t.Fatalf("cut after %d bytes: %v, want ErrInvalid", n, err)
				}
			}
			if _, err := f.again(append(bytes.Clone(f.encoded), 0)); !errors.Is(err, meta.ErrInvalid) {
				t.Errorf("one byte more: %v, want ErrInvalid", err)
			}
			for i := range f.encoded {
				changed := bytes.Clone(f.encoded)
				changed[i] ^= 1
				if err := f.verify(changed, chainID); err == nil {
					t.Fatalf("byte %d changed, and the signature still holds", i)
				}
			}
		})
	}
}

func TestNoFormPassesForAnother(t *testing.T) {
	t.Parallel()
	body := []byte("body")
	seen := map[string]byte{}
	for kind := range byte(9) {
		message := string(meta.SignedMessage(kind, chainID, body))
		if other, twice := seen[message]; twice {
			t.Errorf("kinds %d and %d sign the same message", kind, other)
		}
		seen[message] = kind
	}
	if bytes.Equal(meta.SignedMessage(1, "ab", []byte("c")), meta.SignedMessage(1, "a", []byte("bc"))) {
		t.Error("chain id and body run into each other")
	}
}

func TestRevokedObjectsAreSortedAndSingle(t *testing.T) {
	t.Parallel()
	v, err := meta.DecodeRevocation(revocation().Encode())
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Objects) != 2 || meta.CompareCIDs(v.Objects[0], v.Objects[1]) >= 0 {
		t.Errorf("got %v, want two in ascending order", v.Objects)
	}
}

func TestPublicationsOutOfBoundsAreRefused(t *testing.T) {
	t.Parallel()
	for why, spoil := range map[string]func(*meta.Publication){
		"a name that is none":       func(p *meta.Publication) { p.Name = "acme/../x" },
		"a name in another form":    func(p *meta.Publication) { p.Name = "acme/u\u0308" },
		"no kind":                   func(p *meta.Publication) { p.Kind = 0 },
		"no root":                   func(p *meta.Publication) { p.Root = sds.CID{} },
		"no manifest":               func(p *meta.Publication) { p.Manifest = sds.CID{} },
		"a negative size":           func(p *meta.Publication) { p.Size = -1 },
		"replicas beyond the bound": func(p *meta.Publication) { p.Replicas = 65 },
		"replicas that wrap around": func(p *meta.Publication) { p.Replicas = 259 },
		"too many durable edges":    func(p *meta.Publication) { p.Durable = make([]meta.EdgeID, 65) },
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			p := publication()
			spoil(p)
			p.Sign(key("owner"), chainID)
			if err := p.Verify(chainID); !errors.Is(err, meta.ErrInvalid) {
				t.Errorf("got %v, want ErrInvalid", err)
			}
		})
	}
}

func TestInvitation(t *testing.T) {
	t.Parallel()
	operators := []ed25519.PublicKey{key("operator").Public().(ed25519.PublicKey)}
	invite := func(signer string) *meta.Invitation {
		v := &meta.Invitation{Kind: meta.EdgeNode, Number: [16]byte{1}, Until: then}
		v.Sign(key(signer), chainID)
		parsed, err := meta.ParseInvitation(v.Text())
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for _, test := range []struct {
		why   string
		v     *meta.Invitation
		kind  meta.NodeKind
		chain string
		now   time.Time
		want  error
	}{
		{"good", invite("operator"), meta.EdgeNode, chainID, then.Add(-time.Hour), nil},
		{"signed by a stranger", invite("stranger"), meta.EdgeNode, chainID, then.Add(-time.Hour), meta.ErrForbidden},
		{"for another kind", invite("operator"), meta.OriginNode, chainID, then.Add(-time.Hour), meta.ErrForbidden},
		{"for another network", invite("operator"), meta.EdgeNode, "other-1", then.Add(-time.Hour), meta.ErrSignature},
		{"in its last moment", invite("operator"), meta.EdgeNode, chainID, then.Add(-1), nil},
		{"over", invite("operator"), meta.EdgeNode, chainID, then, meta.ErrForbidden},
	} {
		if err := test.v.Verify(test.kind, operators, test.chain, test.now); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.why, err, test.want)
		}
	}
}

type vectors struct {
	ChainID string            `json:"chain_id"`
	Keys    map[string]string `json:"keys"` // private keys' seeds
	Valid   map[string]string `json:"valid"`
	Invalid map[string]string `json:"invalid"`
}

func TestVectors(t *testing.T) {
	t.Parallel()
	want := vectors{ChainID: chainID, Keys: map[string]string{}, Valid: map[string]string{}, Invalid: map[string]string{}}
	for _, name := range []string{"authority", "owner"} {
		want.Keys[name] = hex.EncodeToString(key(name).Seed())
	}
	for _, f := range forms() {
		want.Valid[f.name] = hex.EncodeToString(f.encoded)
		want.Invalid[f.name+": trailing byte"] = hex.EncodeToString(append(bytes.Clone(f.encoded), 0))
		newer := bytes.Clone(f.encoded)
		newer[0] = 2
		want.Invalid[f.name+": version 2"] = hex.EncodeToString(newer)
	}
	if *update {
		b, err := json.MarshalIndent(want, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/vectors.json", append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var got vectors
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("vectors changed, which is a change of the format (-file +code):\n%s", diff)
	}
}

func FuzzDecode(f *testing.F) {
	all := forms()
	for i, form := range all {
		f.Add(byte(i), form.encoded)
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		form := all[int(which)%len(all)]
		again, err := form.again(b)
		if err == nil && !bytes.Equal(again, b) {
			t.Fatalf("%s: %x decodes and encodes to %x", form.name, b, again)
		}
	})
}

func FuzzParseInvitation(f *testing.F) {
	v := &meta.Invitation{Kind: meta.EdgeNode, Until: then}
	v.Sign(key("operator"), chainID)
	f.Add(v.Text())
	f.Fuzz(func(t *testing.T, text string) {
		v, err := meta.ParseInvitation(text)
		if err == nil && v.Text() != text {
			t.Fatalf("%q parses and prints %q", text, v.Text())
		}
	})
}
