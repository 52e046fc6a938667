package receipt

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// vectors is testdata/vectors.json, which every implementation reads. Bytes are
// hex; numbers that may exceed 2^53 are decimal text.
type vectors struct {
	Comment   string           `json:"comment"`
	Tickets   []ticketVector   `json:"tickets"`
	Sequences []sequenceVector `json:"sequences"`
	NetTags   []netTagVector   `json:"net_tags"`
	Sealed    []sealedVector   `json:"sealed"`
	Seeds     []seedVector     `json:"seeds"`
	Orders    []orderVector    `json:"orders"`
}

// ticketVector: error is empty, "malformed" or "signature".
type ticketVector struct {
	Name      string        `json:"name"`
	ChainID   string        `json:"chain_id"`
	PublicKey string        `json:"public_key"`
	Hex       string        `json:"hex"`
	Text      string        `json:"text,omitempty"`
	Error     string        `json:"error,omitempty"`
	Fields    *ticketFields `json:"fields,omitempty"`
}

type ticketFields struct {
	ID          string   `json:"id"`
	NotAfter    uint64   `json:"not_after"`
	Authority   uint16   `json:"authority"`
	Epoch       uint64   `json:"epoch,string"`
	ViewerAlg   uint8    `json:"viewer_alg"`
	ViewerKey   string   `json:"viewer_key"`
	Payer       string   `json:"payer"`
	Class       uint8    `json:"class"`
	Bind        string   `json:"bind"`
	UnitPrice   string   `json:"unit_price"`
	MaxBytes    uint64   `json:"max_bytes,string"`
	MaxRateKbps uint32   `json:"max_rate_kbps"`
	Edges       []uint32 `json:"edges"`
	Sources     []uint32 `json:"sources"`
	NetTag      string   `json:"net_tag"`
	Sealed      string   `json:"sealed"`
	Signature   string   `json:"signature"`
}

type sequenceVector struct {
	Key       string `json:"key"`
	Number    uint64 `json:"number,string"`
	Encrypted string `json:"encrypted"`
}

type netTagVector struct {
	Key    string `json:"key"`
	Payer  string `json:"payer"`
	Client string `json:"client"`
	Tag    string `json:"tag"`
}

type sealedVector struct {
	Key     string `json:"key"`
	ID      string `json:"id"`
	Account string `json:"account"`
	Region  uint16 `json:"region"`
	ASN     uint32 `json:"asn"`
	Flags   uint8  `json:"flags"`
	Sealed  string `json:"sealed"`
	// Error is empty or "signature": bytes that do not open.
	Error string `json:"error,omitempty"`
}

// seedVector: error is empty, "malformed" or "signature".
type seedVector struct {
	Name      string `json:"name"`
	Secret    string `json:"secret,omitempty"`
	PublicKey string `json:"public_key"`
	ChainID   string `json:"chain_id"`
	Epoch     uint64 `json:"epoch,string"`
	Beacon    string `json:"beacon"`
	Signature string `json:"signature"`
	Seed      string `json:"seed,omitempty"`
	Error     string `json:"error,omitempty"`
}

type orderVector struct {
	Seed      string   `json:"seed"`
	Class     uint8    `json:"class"`
	ViewerKey string   `json:"viewer_key"`
	Unit      string   `json:"unit"`
	Sequence  uint64   `json:"sequence,string"`
	Edges     []uint32 `json:"edges"`
	Sorted    []uint32 `json:"sorted"`
}

func fields(t *Ticket) *ticketFields {
	return &ticketFields{
		ID: t.ID.String(), NotAfter: uint64(t.ID.NotAfter().Unix()), Authority: t.ID.Authority(), Epoch: t.Epoch,
		ViewerAlg: uint8(t.ViewerAlg), ViewerKey: hex.EncodeToString(t.ViewerKey[:]), Payer: hex.EncodeToString(t.Payer[:]),
		Class: uint8(t.Class), Bind: hex.EncodeToString(t.Bind[:]), UnitPrice: hex.EncodeToString(t.UnitPrice[:]),
		MaxBytes: t.MaxBytes, MaxRateKbps: t.MaxRateKbps, Edges: t.Edges, Sources: t.Sources,
		NetTag: hex.EncodeToString(t.NetTag[:]), Sealed: hex.EncodeToString(t.Sealed[:]), Signature: hex.EncodeToString(t.Signature[:]),
	}
}

func load(t *testing.T) vectors {
	t.Helper()
	if *update {
		text, err := json.MarshalIndent(makeVectors(t), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/vectors.json", append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var v vectors
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func word(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrMalformed):
		return "malformed"
	case errors.Is(err, ErrSignature):
		return "signature"
	}
	return err.Error()
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectors(t *testing.T) {
	v := load(t)
	for _, test := range v.Tickets {
		t.Run("ticket: "+test.Name, func(t *testing.T) {
			b := unhex(t, test.Hex)
			ticket, err := DecodeTicket(b)
			if err == nil {
				err = ticket.Verify(unhex(t, test.PublicKey), test.ChainID)
			}
			if got := word(err); got != test.Error {
				t.Fatalf("error %q (%v), want %q", got, err, test.Error)
			}
			if test.Fields == nil {
				return
			}
			got, _ := json.Marshal(fields(ticket))
			if want, _ := json.Marshal(test.Fields); !bytes.Equal(got, want) {
				t.Errorf("fields %s, want %s", got, want)
			}
			if !bytes.Equal(ticket.Encode(), b) || ticket.Text() != test.Text {
				t.Errorf("encodes to %x, want %s", ticket.Encode(), test.Hex)
			}
			if again, err := ParseTicket(test.Text); err != nil || !bytes.Equal(again.Encode(), b) {
				t.Errorf("ParseTicket: %v", err)
			}
		})
	}
	for _, test := range v.Sequences {
		c := NewSequenceCipher([32]byte(unhex(t, test.Key)))
		got, err := c.Encrypt(test.Number)
		if hex.EncodeToString(got[:]) != test.Encrypted || err != nil || c.Decrypt(got) != test.Number {
			t.Errorf("sequence %d = %x, %v, back %d; want %s", test.Number, got, err, c.Decrypt(got), test.Encrypted)
		}
	}
	for _, test := range v.NetTags {
		k := NewEpochKey([32]byte(unhex(t, test.Key)))
		if got := k.NetTag([20]byte(unhex(t, test.Payer)), netip.MustParseAddr(test.Client)); hex.EncodeToString(got[:]) != test.Tag {
			t.Errorf("net tag of %s = %x, want %s", test.Client, got, test.Tag)
		}
	}
	for _, test := range v.Sealed {
		k := NewEpochKey([32]byte(unhex(t, test.Key)))
		id, err := ParseTicketID(test.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := SealedFields{[20]byte(unhex(t, test.Account)), test.Region, test.ASN, test.Flags}
		got, err := k.Open(id, [48]byte(unhex(t, test.Sealed)))
		if word(err) != test.Error || (err == nil && got != want) {
			t.Errorf("opened %+v, %v; want %+v, %q", got, err, want, test.Error)
		}
		if sealed := k.Seal(id, want); test.Error == "" && hex.EncodeToString(sealed[:]) != test.Sealed {
			t.Errorf("sealed %x, want %s", sealed, test.Sealed)
		}
	}
	for _, test := range v.Seeds {
		t.Run("seed: "+test.Name, func(t *testing.T) {
			s := DrawSignature(unhex(t, test.Signature))
			beacon := [32]byte(unhex(t, test.Beacon))
			err := VerifySeed(DrawPublicKey(unhex(t, test.PublicKey)), s, test.ChainID, test.Epoch, beacon)
			if word(err) != test.Error {
				t.Errorf("error %v, want %q", err, test.Error)
			}
			if seed := s.Seed(); test.Error == "" && hex.EncodeToString(seed[:]) != test.Seed {
				t.Errorf("seed %x, want %s", seed, test.Seed)
			}
			if test.Secret == "" {
				return
			}
			key, err := NewDrawKey([32]byte(unhex(t, test.Secret)))
			if err != nil || key.SignSeed(test.ChainID, test.Epoch, beacon) != s {
				t.Errorf("the key signs otherwise, %v", err)
			}
		})
	}
	for _, test := range v.Orders {
		got := Order(Seed(unhex(t, test.Seed)), Class(test.Class), [33]byte(unhex(t, test.ViewerKey)),
			[32]byte(unhex(t, test.Unit)), test.Sequence, test.Edges)
		if !slices.Equal(got, test.Sorted) {
			t.Errorf("order %v, want %v", got, test.Sorted)
		}
	}
}

// What follows writes the file. Everything comes from counting bytes, so a
// second run writes the same.

func counting(n int, from byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

func testKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(counting(32, 1)) }

const testChain = "stratos-test-1"

// full is a ticket in which every field is set.
func full() *Ticket {
	sequence, _ := NewSequenceCipher([32]byte(counting(32, 7))).Encrypt(41)
	epoch := NewEpochKey([32]byte(counting(32, 9)))
	t := &Ticket{
		ID: NewTicketID(time.Unix(1_900_000_000, 0), 3, sequence), Epoch: 1 << 60,
		ViewerAlg: Ed25519, Payer: [20]byte(counting(20, 11)), Class: ClassA, Bind: [32]byte(counting(32, 13)),
		UnitPrice: Amount(counting(16, 15)), MaxBytes: 64 << 20, MaxRateKbps: 25_000,
		Edges: []uint32{5, 1 << 31, 7, 1}, Sources: []uint32{7, 8, 9},
	}
	copy(t.ViewerKey[:], ed25519.NewKeyFromSeed(counting(32, 17)).Public().(ed25519.PublicKey))
	t.NetTag = epoch.NetTag(t.Payer, netip.MustParseAddr("192.0.2.77"))
	t.Sealed = epoch.Seal(t.ID, SealedFields{[20]byte(counting(20, 19)), 3, 64500, Probe})
	t.Sign(testKey(), testChain)
	return t
}

func makeVectors(t *testing.T) vectors {
	t.Helper()
	v := vectors{Comment: "Written by go test ./... -run TestVectors -update. Bytes are hex, 64-bit numbers decimal text. docs/formats/ticket.md tells the formats."}
	public := hex.EncodeToString(testKey().Public().(ed25519.PublicKey))
	add := func(name, chain, wrong string, b []byte) {
		tv := ticketVector{Name: name, ChainID: chain, PublicKey: public, Hex: hex.EncodeToString(b), Error: wrong}
		ticket, err := DecodeTicket(b)
		if err == nil {
			tv.Text, tv.Fields = ticket.Text(), fields(ticket)
			err = ticket.Verify(testKey().Public().(ed25519.PublicKey), chain)
		}
		if word(err) != wrong {
			t.Fatalf("%s: %v, want %q", name, err, wrong)
		}
		v.Tickets = append(v.Tickets, tv)
	}
	for name, change := range inOrder(changes()) {
		ticket := full()
		wrong := "malformed"
		if strings.HasPrefix(name, "valid") {
			wrong = ""
		}
		change(ticket)
		ticket.Sign(testKey(), testChain)
		add(name, testChain, wrong, ticket.Encode())
	}
	b := full().Encode()
	edit := func(at int, to byte) []byte { c := bytes.Clone(b); c[at] = to; return c }
	add("empty", testChain, "malformed", nil)
	add("version 0", testChain, "malformed", edit(0, 0))
	add("version 2", testChain, "malformed", edit(0, 2))
	add("a byte short", testChain, "malformed", b[:len(b)-1])
	add("a byte long", testChain, "malformed", append(bytes.Clone(b), 0))
	add("five edges announced", testChain, "malformed", edit(fixedHead, 5))
	add("three edges announced", testChain, "malformed", edit(fixedHead, 3))
	add("255 edges announced", testChain, "malformed", edit(fixedHead, 255))
	add("four sources announced", testChain, "malformed", edit(fixedHead+17, 4))
	add("no sources announced", testChain, "malformed", edit(fixedHead+17, 0))
	add("unit price changed", testChain, "signature", edit(112, b[112]^1))
	add("signature changed", testChain, "signature", edit(len(b)-1, b[len(b)-1]^1))
	add("another chain", "stratos-test-2", "signature", b)
	add("a chain id that runs into the body", testChain+"\x01", "signature", b)
	add("no chain id", "", "signature", b)

	for _, n := range []uint64{0, 1, 2, 41, 1 << 24, MaxSequence} {
		key := counting(32, 7)
		got, err := NewSequenceCipher([32]byte(key)).Encrypt(n)
		if err != nil {
			t.Fatal(err)
		}
		v.Sequences = append(v.Sequences, sequenceVector{hex.EncodeToString(key), n, hex.EncodeToString(got[:])})
	}
	key, payer := counting(32, 9), counting(20, 11)
	epoch := NewEpochKey([32]byte(key))
	for _, client := range []string{"192.0.2.77", "192.0.2.1", "192.0.3.77", "::ffff:192.0.2.77", "2001:db8:1:2ff::1", "2001:db8:1:200::9"} {
		tag := epoch.NetTag([20]byte(payer), netip.MustParseAddr(client))
		v.NetTags = append(v.NetTags, netTagVector{hex.EncodeToString(key), hex.EncodeToString(payer), client, hex.EncodeToString(tag[:])})
	}
	f := SealedFields{[20]byte(counting(20, 19)), 3, 64500, Probe}
	sealed := epoch.Seal(full().ID, f)
	sv := sealedVector{hex.EncodeToString(key), full().ID.String(), hex.EncodeToString(f.Account[:]), f.Region, f.ASN, f.Flags, hex.EncodeToString(sealed[:]), ""}
	v.Sealed = append(v.Sealed, sv)
	sealed[0] ^= 1
	sv.Sealed, sv.Error = hex.EncodeToString(sealed[:]), "signature"
	v.Sealed = append(v.Sealed, sv)

	secret, beacon := counting(32, 21), counting(32, 23)
	draw, err := NewDrawKey([32]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	s := draw.SignSeed(testChain, 9, [32]byte(beacon))
	p, seed := draw.Public(), s.Seed()
	good := seedVector{"valid", hex.EncodeToString(secret), hex.EncodeToString(p[:]), testChain, 9, hex.EncodeToString(beacon), hex.EncodeToString(s[:]), hex.EncodeToString(seed[:]), ""}
	bad := func(name, wrong string, change func(*seedVector)) {
		c := good
		c.Name, c.Error, c.Secret, c.Seed = name, wrong, "", ""
		change(&c)
		v.Seeds = append(v.Seeds, c)
	}
	v.Seeds = append(v.Seeds, good)
	flip := func(text string, bit byte) string {
		b := unhex(t, text)
		b[0] ^= bit
		return hex.EncodeToString(b)
	}
	bad("another epoch", "signature", func(c *seedVector) { c.Epoch = 10 })
	bad("another chain", "signature", func(c *seedVector) { c.ChainID = "other" })
	bad("a chain id that no network has", "malformed", func(c *seedVector) { c.ChainID = "a b" })
	bad("the opposite point", "signature", func(c *seedVector) { c.Signature = flip(c.Signature, 0x20) })
	bad("not marked as compressed", "malformed", func(c *seedVector) { c.Signature = flip(c.Signature, 0x80) })
	bad("the identity as signature", "malformed", func(c *seedVector) { c.Signature = "c0" + strings.Repeat("00", 95) })
	bad("the identity as key", "malformed", func(c *seedVector) { c.PublicKey = "c0" + strings.Repeat("00", 47) })
	bad("a coordinate that is not reduced", "malformed", func(c *seedVector) { c.Signature = "9f" + strings.Repeat("ff", 95) })

	for _, class := range []Class{ClassA, ClassB, ClassB | Growing} {
		o := orderVector{hex.EncodeToString(seed[:]), uint8(class), strings.Repeat("00", 33), hex.EncodeToString(counting(32, 25)), 41, []uint32{1, 2, 3, 4, 5}, nil}
		if class == ClassA {
			o.ViewerKey = fields(full()).ViewerKey
		}
		o.Sorted = Order(seed, class, [33]byte(unhex(t, o.ViewerKey)), [32]byte(counting(32, 25)), o.Sequence, o.Edges)
		v.Orders = append(v.Orders, o)
	}
	return v
}

// changes to a full ticket; those called valid leave a good one.
func changes() map[string]func(*Ticket) {
	scalar, _ := ecdh.P256().NewPrivateKey(counting(32, 7))
	long := scalar.PublicKey().Bytes()                               // 4 ‖ x ‖ y
	point := [33]byte(append([]byte{2 + long[64]&1}, long[1:33]...)) // SEC 1, section 2.3.3
	unsigned := func(c Class) func(*Ticket) {
		return func(t *Ticket) { t.Class, t.ViewerAlg, t.ViewerKey, t.UnitPrice = c, NoViewer, [33]byte{}, Amount{} }
	}
	return map[string]func(*Ticket){
		"valid: every field set":      func(*Ticket) {},
		"valid: one edge, no sources": func(t *Ticket) { t.Edges, t.Sources = []uint32{1}, nil },
		"valid: a viewer with P-256":  func(t *Ticket) { t.ViewerAlg, t.ViewerKey = P256, point },
		"valid: class B":              unsigned(ClassB),
		"valid: class B with a price": func(t *Ticket) { p := t.UnitPrice; unsigned(ClassB)(t); t.UnitPrice = p },
		"valid: class M":              unsigned(ClassM),
		"valid: class R":              unsigned(ClassR),
		"valid: a growing asset":      func(t *Ticket) { t.Class |= Growing },
		"valid: nobody pays nothing":  func(t *Ticket) { t.Payer, t.UnitPrice = [20]byte{}, Amount{} },
		"valid: no limit of rate":     func(t *Ticket) { t.MaxRateKbps = 0 },
		"class 0":                     unsigned(0),
		"class 5":                     unsigned(5),
		"class 0 growing":             unsigned(Growing),
		"class A without a viewer":    func(t *Ticket) { unsigned(ClassA)(t) },
		"class B with a viewer":       func(t *Ticket) { t.Class = ClassB },
		"class M with a price":        func(t *Ticket) { p := t.UnitPrice; unsigned(ClassM)(t); t.UnitPrice = p },
		"algorithm 3":                 func(t *Ticket) { t.ViewerAlg = 3 },
		"Ed25519 with a 33rd byte":    func(t *Ticket) { t.ViewerKey[32] = 1 },
		"Ed25519 with a key of zeros": func(t *Ticket) { t.ViewerKey = [33]byte{} },
		"P-256 with an Ed25519 key":   func(t *Ticket) { t.ViewerAlg = P256; t.ViewerKey[0] = 4 },
		"P-256 beyond the prime":      func(t *Ticket) { t.ViewerAlg = P256; copy(t.ViewerKey[:], "\x02"+p256) },
		"class B with a key":          func(t *Ticket) { k := t.ViewerKey; unsigned(ClassB)(t); t.ViewerKey = k },
		"no authority":                func(t *Ticket) { t.ID[8], t.ID[9] = 0, 0 },
		"no end":                      func(t *Ticket) { clear(t.ID[:8]) },
		"an end before 1970":          func(t *Ticket) { t.ID[0] = 0x80 },
		"nothing bound":               func(t *Ticket) { t.Bind = [32]byte{} },
		"a price that nobody pays":    func(t *Ticket) { t.Payer = [20]byte{} },
		"no bytes":                    func(t *Ticket) { t.MaxBytes = 0 },
		"no edges":                    func(t *Ticket) { t.Edges = nil },
		"five edges":                  func(t *Ticket) { t.Edges = []uint32{1, 2, 3, 4, 5} },
		"edge 0":                      func(t *Ticket) { t.Edges = []uint32{1, 0} },
		"an edge twice":               func(t *Ticket) { t.Edges = []uint32{1, 2, 1} },
		"four sources":                func(t *Ticket) { t.Sources = []uint32{1, 2, 3, 4} },
		"a source twice":              func(t *Ticket) { t.Sources = []uint32{1, 1} },
		"source 0":                    func(t *Ticket) { t.Sources = []uint32{0} },
	}
}
