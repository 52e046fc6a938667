package edge

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// objects are the roots of some files of a publication.
func (p *published) objects(t *testing.T, paths ...string) (out []sds.CID) {
	t.Helper()
	for _, o := range p.manifest.Objects {
		if slices.Contains(paths, o.Path) {
			out = append(out, o.CID)
		}
	}
	if len(out) != len(paths) {
		t.Fatalf("%d of %d objects are in the manifest", len(out), len(paths))
	}
	return out
}

func TestABundleIsCompleteWithoutWhatIsBanned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	banned := []string{"film.mp4", "song.mp3"}
	files := map[string][]byte{"film.mp4": content(1, 3<<20), "song.mp3": content(2, 200_000), "a/talk.mp4": content(3, 2<<20), "b.txt": []byte("b")}
	p := w.publish("acme/mixed", files, w.edges[0])
	e := w.edges[1]
	objects := p.objects(t, banned...)
	w.revoke(t, meta.Revocation{Kind: meta.ByNetwork, Root: sds.Sum(sds.DagPB, []byte("leak")), Objects: objects})
	w.replicate(t, e, p)
	without := e.has(t, p)
	if want := len(p.blocks) - 5; without != want { // the film's node and three slices, and the song
		t.Errorf("%d blocks are kept, want %d", without, want)
	}
	text := w.ticket(p, nil, e)
	for path, want := range map[string]int{"film.mp4": 451, "song.mp3": 451, "a/talk.mp4": 200, "b.txt": 200} {
		if r, _ := e.get(t, "/t/"+text+"/acme/mixed/"+path); r.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, r.StatusCode, want)
		}
	}
	// What is not there must not stop the sweep, and the sweep takes nothing of
	// what there is; also where the banned files are.
	for _, e := range w.edges[:2] {
		if _, err := e.keeper.Sweep(t.Context()); err != nil {
			t.Errorf("sweep: %v", err)
		}
	}
	if got := e.has(t, p); got != without {
		t.Errorf("%d blocks are left, want %d", got, without)
	}
	if got := w.edges[0].has(t, p); got != len(p.blocks) {
		t.Errorf("the edge that had it all keeps %d of %d blocks", got, len(p.blocks))
	}
	w.revoke(t, meta.Revocation{Kind: meta.Unbanned, Root: sds.Sum(sds.DagPB, []byte("leak")), Objects: objects})
	w.eventually("what is banned no longer is fetched", func() bool { return e.has(t, p) == len(p.blocks) && len(e.keeper.Lacking()) == 0 })
}

// A banned file counts for which unit the files behind it belong to, though its
// root node cannot be read any more.
func TestABannedFileMovesNoOtherToAnotherUnit(t *testing.T) {
	t.Parallel()
	const shardSize = 4 << 20
	w := newWorld(t, 0)
	for range 2 {
		w.addSharded(EdgeConfig{}, shardSize)
	}
	files := make(map[string][]byte)
	for i := range 6 {
		files[fmt.Sprintf("%d.m4s", i)] = content(i+1, 2<<20) // two a unit
	}
	p := w.publish("acme/large", files, w.edges[0])
	p.record.Units = []meta.UnitKey{{1}, {2}, {3}}
	e := w.edges[1]
	w.revoke(t, meta.Revocation{Kind: meta.ByNetwork, Root: sds.Sum(sds.DagPB, []byte("leak")), Objects: p.objects(t, "0.m4s", "2.m4s")})
	w.meta.give(e.id, meta.Work{Number: w.next.Add(1), Kind: meta.Replicate, Unit: meta.UnitKey{2}, Shard: 1, Record: p.record, Sources: []meta.EdgeID{1}})
	w.eventually("the unit is complete", func() bool { return e.completed(p.record) })
	for i := range 6 {
		has, err := e.disk.Has(t.Context(), sds.Sum(sds.Raw, files[fmt.Sprintf("%d.m4s", i)][:1<<20]))
		if err != nil || has != (i == 3) {
			t.Errorf("file %d: %t, %v; want file 3 alone", i, has, err)
		}
	}
}

// A file that is banned as a whole is not complete when none of it is here.
func TestNothingIsNotComplete(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	p := w.publish("acme/film", map[string][]byte{"film.mp4": content(1, 3<<20)}, w.edges[0])
	record := p.record
	record.Root, record.Kind = p.objects(t, "film.mp4")[0], meta.Object
	w.revoke(t, meta.Revocation{Kind: meta.ByNetwork, Root: record.Root, Objects: []sds.CID{record.Root}})
	number := w.next.Add(1)
	w.meta.give(2, meta.Work{Number: number, Kind: meta.Replicate, Unit: record.Units[0], Record: record, Sources: []meta.EdgeID{1}})
	w.eventually("the failure is reported", func() bool {
		w.meta.mu.Lock()
		defer w.meta.mu.Unlock()
		return w.meta.failed[number] != ""
	})
}
