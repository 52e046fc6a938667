package origintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stratos-mesh/stratos/internal/hls"
	"github.com/stratos-mesh/stratos/transcode"
	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// Transcoder stands in for the room transcode: its segments are a line of text,
// the same for each rendition and number, and it runs no program.
//
// A source is the text "video SECONDS"; any other is refused.
type Transcoder struct {
	// Speed that Encode tells, and whether a segment may be made now: nil is always.
	Speed float64
	Gate  func(ctx context.Context, task transcode.Task, rendition string, segment int) error
	// Encodes that were begun.
	Encodes atomic.Int64
}

const segmentSeconds = 4

// Probe is a transcode.ProbeFunc.
func (t *Transcoder) Probe(_ context.Context, _ *sandbox.Box, file string) (transcode.Source, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return transcode.Source{}, err
	}
	var seconds int
	if _, err := fmt.Sscanf(string(text[:min(len(text), 100)]), "video %d", &seconds); err != nil {
		return transcode.Source{}, &transcode.Refusal{Reason: transcode.ReasonNotMedia, Sentence: "This is neither video nor sound.", Detail: err.Error()}
	}
	return transcode.Source{
		Container: "text", Duration: time.Duration(seconds) * time.Second, Bytes: int64(len(text)),
		Video: &transcode.Video{Codec: "text", Width: 1280, Height: 720, Rate: transcode.Ratio{Num: 25, Den: 1}},
		Audio: []transcode.Audio{{Stream: 1, Codec: "text", Channels: 2}}, Left: []string{"A picture of the cover."},
	}, nil
}

// Ladder is a transcode.LadderFunc.
func (t *Transcoder) Ladder(s transcode.Source, _ transcode.Policy) (transcode.Plan, error) {
	segments := int((s.Duration + segmentSeconds*time.Second - 1) / (segmentSeconds * time.Second))
	return transcode.Plan{
		Version: transcode.PlanVersion, Source: s, Rate: transcode.Ratio{Num: 25, Den: 1}, Segments: segments, PieceSegments: 3,
		SegmentTime: segmentSeconds * time.Second, Length: s.Duration,
		Rungs: []transcode.Rung{
			{Name: "video/720p", Codec: transcode.H264, Width: 1280, Height: 720, Divide: 1, Bitrate: 3_000_000},
			{Name: "video/360p", Codec: transcode.H264, Width: 640, Height: 360, Divide: 1, Bitrate: 365_000},
			{Name: "video/234p", Codec: transcode.H264, Width: 416, Height: 234, Divide: 1, Bitrate: 145_000},
		},
		Audio: []transcode.AudioRendition{{Name: "audio/und", Stream: 1, Channels: 2, Bitrate: 128_000, Language: "und", Label: "Sound", Default: true}},
	}, nil
}

// SegmentText is what a segment holds.
func SegmentText(rendition string, number int) string {
	return strings.Repeat(fmt.Sprintf("%s %d\n", rendition, number), 500)
}

// Encode is a transcode.EncodeFunc.
func (t *Transcoder) Encode(ctx context.Context, _ *sandbox.Box, source string, _ transcode.Plan, task transcode.Task, dir string, watch func(transcode.Event)) error {
	t.Encodes.Add(1)
	if text, err := os.ReadFile(source); err != nil || !bytes.HasPrefix(text, []byte("video ")) {
		return errors.Join(errors.New("this is not the source"), err)
	}
	write := func(file, text string) error {
		at := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			return err
		}
		aside := filepath.Join(filepath.Dir(at), ".new-"+filepath.Base(at))
		if err := os.WriteFile(aside, []byte(text), 0o600); err != nil {
			return err
		}
		return os.Rename(aside, at)
	}
	for n := range task.Piece.Count {
		for _, r := range task.Renditions {
			number := task.Piece.First + n
			if t.Gate != nil {
				if err := t.Gate(ctx, task, r, number); err != nil {
					return err
				}
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			file := path.Join(r, fmt.Sprintf("%05d.m4s", number))
			if err := errors.Join(write(path.Join(r, "init.mp4"), "init of "+r), write(file, SegmentText(r, number))); err != nil {
				return err
			}
			watch(transcode.Event{
				Done: float64(n+1) / float64(task.Piece.Count), Speed: t.Speed,
				Segment: &transcode.Segment{Rendition: r, Number: number, Path: file, Duration: segmentSeconds * time.Second},
			})
		}
	}
	return nil
}

// Assemble is a transcode.AssembleFunc.
func (t *Transcoder) Assemble(_ context.Context, _ *sandbox.Box, p transcode.Plan, dir string) (transcode.Tree, error) {
	var names []string
	for _, r := range p.Rungs {
		names = append(names, r.Name)
	}
	for _, a := range p.Audio {
		names = append(names, a.Name)
	}
	for _, name := range names {
		for n := range p.Segments {
			if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name), fmt.Sprintf("%05d.m4s", n))); err != nil {
				return transcode.Tree{}, fmt.Errorf("%s %d: %w", name, n, transcode.ErrMissing)
			}
		}
	}
	for _, file := range []string{"poster.jpg", "asset.json"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(file), 0o600); err != nil {
			return transcode.Tree{}, err
		}
	}
	return t.lists(p, dir, names, p.Segments, "poster.jpg", "asset.json")
}

// Grow is a transcode.GrowFunc.
func (t *Transcoder) Grow(p transcode.Plan, dir string, names []string) (transcode.Tree, error) {
	common := p.Segments
	for _, name := range names {
		n := 0
		for n < common {
			if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name), fmt.Sprintf("%05d.m4s", n))); errors.Is(err, fs.ErrNotExist) {
				break
			}
			n++
		}
		common = n
	}
	if common == 0 {
		return transcode.Tree{}, fmt.Errorf("nothing yet: %w", transcode.ErrMissing)
	}
	return t.lists(p, dir, names, common)
}

// lists writes the playlists of so many segments.
func (t *Transcoder) lists(p transcode.Plan, dir string, names []string, segments int, more ...string) (transcode.Tree, error) {
	tree := transcode.Tree{Multivariant: "master.m3u8", Files: more, Complete: segments == p.Segments}
	main := &hls.Multivariant{IndependentSegments: true}
	tree.Duration = min(time.Duration(segments)*p.SegmentTime, p.Length)
	for _, name := range names {
		list := &hls.Media{TargetDuration: segmentSeconds, Type: "EVENT", EndList: tree.Complete}
		init := &hls.Map{URI: "init.mp4", Digest: hls.Sum([]byte("init of " + name))}
		tree.Files = append(tree.Files, name+"/init.mp4", name+"/playlist.m3u8")
		for n := range segments {
			file := fmt.Sprintf("%05d.m4s", n)
			text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name), file))
			if err != nil {
				return tree, err
			}
			length := min(p.SegmentTime, p.Length-time.Duration(n)*p.SegmentTime)
			list.Segments = append(list.Segments, hls.Segment{URI: file, Duration: length, Map: init, Digest: hls.Sum(text)})
			tree.Files = append(tree.Files, name+"/"+file)
		}
		text, err := hls.WriteMedia(list)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.FromSlash(name), "playlist.m3u8"), text, 0o600)
		}
		if err != nil {
			return tree, err
		}
		id := strings.ReplaceAll(name, "/", "-")
		if strings.HasPrefix(name, "audio/") {
			main.Renditions = append(main.Renditions, hls.Rendition{Type: "AUDIO", GroupID: "audio", Name: "Sound", URI: name + "/playlist.m3u8", StableID: id, Default: true, AutoSelect: true, Channels: "2", Digest: hls.Sum(text)})
			continue
		}
		main.Variants = append(main.Variants, hls.Variant{URI: name + "/playlist.m3u8", Bandwidth: 1_000_000, Codecs: "avc1.64001f,mp4a.40.2", Width: 640, Height: 360, StableID: id, Audio: "audio", Digest: hls.Sum(text)})
	}
	text, err := hls.WriteMultivariant(main)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "master.m3u8"), text, 0o600)
	}
	tree.Files = append(tree.Files, "master.m3u8")
	slices.Sort(tree.Files)
	return tree, err
}
