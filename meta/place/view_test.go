package place_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/place"
	"github.com/stratos-mesh/stratos/sds"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// vectors is what other implementations check themselves against. 64-bit
// numbers are in hex, for JSON's own cannot hold them.
type vectors struct {
	About string
	Views []viewVector
	Units []unitVector
}

type viewVector struct {
	View    *place.View
	Encoded string
	CID     sds.CID
}

type unitVector struct {
	Key       string
	View      int
	Scores    []scoreVector
	Order     []meta.EdgeID
	Rank      []meta.EdgeID
	Placement map[string]place.Placement // by replicas
}

type scoreVector struct {
	Edge   meta.EdgeID
	Weight uint8
	Score  string
}

func small() *place.View {
	return &place.View{Epoch: 42, Edges: []place.ViewEdge{
		{ID: 1, Weight: 1, Region: "eu-west", Operator: "ada", ASN: 64496},
		{ID: 2, Weight: 16, Region: "eu-west", Operator: "bob", ASN: 64497},
		{ID: 3, Weight: 5, Region: "us-east", Operator: "ada", ASN: 64496},
		{ID: 9, Weight: 8},
		{ID: math.MaxUint32, Weight: 3, Region: "ap-süd", Operator: "ada", ASN: math.MaxUint32},
	}}
}

func makeVectors(t *testing.T) vectors {
	out := vectors{About: "Views, their encoding and what placement makes of them; docs/formats/view.md."}
	for _, v := range []*place.View{{}, small(), world(20)} {
		encoded, err := v.Encode()
		if err != nil {
			t.Fatal(err)
		}
		out.Views = append(out.Views, viewVector{v, hex.EncodeToString(encoded), place.CID(encoded)})
	}
	ones := meta.UnitKey(bytes.Repeat([]byte{0xff}, 32))
	for _, k := range []meta.UnitKey{{}, ones, key(0), key(1), key(2)} {
		for i := 1; i < len(out.Views); i++ {
			v := out.Views[i].View
			u := unitVector{Key: hex.EncodeToString(k[:]), View: i, Order: place.Order(k, v), Placement: map[string]place.Placement{}}
			var ids []meta.EdgeID
			for _, edge := range v.Edges {
				ids = append(ids, edge.ID)
				score := place.NewScorer(k).Weighted(edge.ID, edge.Weight)
				u.Scores = append(u.Scores, scoreVector{edge.ID, edge.Weight, hex.EncodeToString(beUint64(score))})
			}
			u.Rank = place.Rank(k, ids...)
			for _, n := range []string{"1", "2", "3", "4", "6"} {
				u.Placement[n] = place.Place(k, v, int(n[0]-'0'))
			}
			out.Units = append(out.Units, u)
		}
	}
	return out
}

func beUint64(n uint64) []byte {
	out := make([]byte, 8)
	for i := range out {
		out[i] = byte(n >> (56 - 8*i))
	}
	return out
}

func TestVectors(t *testing.T) {
	t.Parallel()
	got, err := json.MarshalIndent(makeVectors(t), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const file = "testdata/vectors.json"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error("vectors changed; other implementations and old views read them (-want +got):\n" + diff)
	}
}

func TestViewRoundTrip(t *testing.T) {
	t.Parallel()
	for _, v := range []*place.View{small(), world(1), world(1000)} {
		encoded, err := v.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := place.Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(v, got); diff != "" {
			t.Error("(-want +got):\n" + diff)
		}
	}
	if encoded, err := world(place.MaxEdges).Encode(); err != nil {
		t.Errorf("the largest view: %v", err)
	} else if len(encoded) > sds.SliceSize {
		t.Errorf("the largest view has %d bytes", len(encoded))
	}
}

func TestViewRegions(t *testing.T) {
	t.Parallel()
	v := small()
	if diff := cmp.Diff([]string{"ap-süd", "eu-west", "us-east"}, v.Regions()); diff != "" {
		t.Error(diff)
	}
	for region, want := range map[string]uint16{"": 0, "mars": 0, "ap-süd": 1, "us-east": 3} {
		if got := v.RegionIndex(region); got != want {
			t.Errorf("RegionIndex(%q) = %d, want %d", region, got, want)
		}
	}
}

func TestNewViewSortsAndBoundsWeights(t *testing.T) {
	t.Parallel()
	got := place.NewView(3, []meta.Edge{{ID: 9, Weight: 200, Region: "r"}, {ID: 2, ASN: 5, Operator: "o"}})
	want := &place.View{Epoch: 3, Edges: []place.ViewEdge{{ID: 2, Weight: 1, Operator: "o", ASN: 5}, {ID: 9, Weight: 16, Region: "r"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	for name, edges := range map[string][]place.ViewEdge{
		"an edge twice":            {{ID: 1, Weight: 1}, {ID: 1, Weight: 1}},
		"edges out of order":       {{ID: 2, Weight: 1}, {ID: 1, Weight: 1}},
		"no weight":                {{ID: 1}},
		"too much weight":          {{ID: 1, Weight: 17}},
		"a long region":            {{ID: 1, Weight: 1, Region: strings.Repeat("r", 65)}},
		"an operator not in UTF-8": {{ID: 1, Weight: 1, Operator: "\xff"}},
		"too many edges":           make([]place.ViewEdge, place.MaxEdges+1),
	} {
		if _, err := (&place.View{Edges: edges}).Encode(); !errors.Is(err, place.ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good, err := small().Encode()
	if err != nil {
		t.Fatal(err)
	}
	for end := range good {
		if _, err := place.Decode(good[:end]); !errors.Is(err, place.ErrMalformed) {
			t.Fatalf("cut to %d bytes: %v", end, err)
		}
	}
	// The other version, and a table with an unused name.
	other := bytes.Clone(good)
	other[4] = 2
	unused := append([]byte("STVW\x01\x00\x00\x00\x00\x00\x00\x00\x00"), "\x00\x01\x01a\x00\x00\x00\x00\x00\x00"...)
	for name, bad := range map[string][]byte{
		"another version": other, "a byte too many": append(bytes.Clone(good), 0), "an unused name": unused,
		"larger than a slice": make([]byte, sds.SliceSize+1),
	} {
		if _, err := place.Decode(bad); !errors.Is(err, place.ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range []*place.View{{}, small(), world(20)} {
		encoded, err := v.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		v, err := place.Decode(encoded)
		if err != nil {
			if !errors.Is(err, place.ErrMalformed) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		again, err := v.Encode()
		if err != nil || !bytes.Equal(again, encoded) {
			t.Fatalf("decoded, but encodes to other bytes, %v", err)
		}
		place.Place(key(1), v, 3)
	})
}
