package transcode

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// arguments of ffmpeg for a task, and the names of what comes out of pipe:3 and
// the pipes after it, in order. Pure: the golden files hold them.
func (p Plan) arguments(task Task) (args, outputs []string, err error) {
	args = []string{"-hide_banner", "-nostdin", "-v", "error", "-nostats", "-stats_period", "0.5", "-progress", "pipe:1"}
	rungs, sound, text := p.pick(task.Renditions)
	if n := len(rungs) + len(sound) + len(text); n != len(task.Renditions) || n == 0 {
		return nil, nil, fmt.Errorf("transcode: the task names renditions that the plan does not have: %q", task.Renditions)
	}
	if len(rungs) > 0 && len(sound)+len(text) > 0 {
		return nil, nil, fmt.Errorf("transcode: video, and sound or captions, are tasks of their own: %q", task.Renditions)
	}
	if last := task.Piece.First + task.Piece.Count; task.Piece.First < 0 || task.Piece.Count <= 0 || last > p.Segments {
		return nil, nil, fmt.Errorf("transcode: the piece names segments %d to %d of %d", task.Piece.First, last, p.Segments)
	}
	if len(rungs) > 0 {
		args = append(args, p.videoArgs(task.Piece, rungs)...)
	} else if task.Piece.First != 0 || task.Piece.Count != p.Segments {
		return nil, nil, fmt.Errorf("transcode: sound and captions are made in one piece")
	} else {
		args = append(args, p.soundArgs(sound, text)...)
	}
	for _, r := range rungs {
		outputs = append(outputs, r.Name)
	}
	for _, a := range sound {
		outputs = append(outputs, a.Name)
	}
	for _, c := range text {
		outputs = append(outputs, c.Name)
	}
	return args, outputs, nil
}

// pick finds renditions by name, in the plan's order.
func (p Plan) pick(names []string) (rungs []Rung, sound []AudioRendition, text []CaptionRendition) {
	want := map[string]bool{}
	for _, n := range names {
		want[n] = true
	}
	for _, r := range p.Rungs {
		if want[r.Name] {
			rungs = append(rungs, r)
		}
	}
	for _, a := range p.Audio {
		if want[a.Name] {
			sound = append(sound, a)
		}
	}
	for _, c := range p.Captions {
		if want[c.Name] {
			text = append(text, c)
		}
	}
	return rungs, sound, text
}

// videoArgs decode a piece once and encode all rungs of it.
func (p Plan) videoArgs(piece Piece, rungs []Rung) []string {
	start := p.Rate.time(int64(piece.First) * int64(p.SegmentFrames))
	var args []string
	lead := min(start, p.lead())
	if start > 0 {
		// Without -noaccurate_seek ffmpeg throws away what comes before; the frame
		// that is still on the screen at the start may be there.
		args = append(args, "-noaccurate_seek", "-ss", micro(start-lead))
	}
	args = append(append(args, openArgs()...), "-i", sandbox.Input)

	var graph strings.Builder
	fmt.Fprintf(&graph, "[0:%d]%s", p.Source.Video.Stream, p.baseFilters(lead, p.pieceFrames(piece)))
	if len(rungs) > 1 {
		fmt.Fprintf(&graph, ",split=%d", len(rungs))
	}
	for i := range rungs {
		fmt.Fprintf(&graph, "[b%d]", i)
	}
	for i, r := range rungs {
		fmt.Fprintf(&graph, ";[b%d]%s[v%d]", i, p.rungFilters(r), i)
	}
	args = append(args, "-filter_complex", graph.String())
	for i, r := range rungs {
		args = append(args, "-map", fmt.Sprintf("[v%d]", i))
		args = append(args, r.encoder(p.Rate.over(r.Divide), p.KeyFrames/r.Divide)...)
		args = append(args, output("frag_keyframe")...)
		args = append(args, pipe(i))
	}
	return args
}

// pieceFrames at the plan's rate.
func (p Plan) pieceFrames(piece Piece) int64 {
	from := int64(piece.First) * int64(p.SegmentFrames)
	return min(int64(piece.Count)*int64(p.SegmentFrames), p.Frames-from)
}

// lead is how far before a piece the seek aims. Containers without an index are
// found by guessing, and may land behind the key frame.
func (p Plan) lead() time.Duration {
	switch {
	case strings.HasPrefix(p.Source.Container, "mov"), strings.HasPrefix(p.Source.Container, "matroska"):
		return time.Second
	}
	return 10 * time.Second
}

// baseFilters bring the decoded piece to the planned frames: exactly count, the
// first at zero, gaps and a missing end filled with the frame that stands.
func (p Plan) baseFilters(lead time.Duration, count int64) string {
	v := p.Source.Video
	var all []string
	if v.Interlaced {
		all = append(all, "bwdif=mode=send_frame:deint=interlaced")
	}
	if lead > 0 {
		all = append(all, fmt.Sprintf("setpts=PTS-%s/TB", micro(lead)))
	}
	all = append(all, fmt.Sprintf("fps=%s:start_time=0", p.Rate), "tpad=stop_mode=clone:stop=-1", fmt.Sprintf("trim=end_frame=%d", count))
	if v.HDR != "" {
		all = append(all, p.tonemap())
	}
	return strings.Join(all, ",")
}

// tonemap brings high dynamic range to BT.709, at the size of the largest rung
// and no larger, because it counts in floating point.
func (p Plan) tonemap() string {
	width, height := 0, 0
	for _, r := range p.Rungs {
		if r.Width*r.Height > width*height {
			width, height = r.Width, r.Height
		}
	}
	transfer := map[string]string{"pq": "smpte2084", "hlg": "arib-std-b67"}[p.Source.Video.HDR]
	return fmt.Sprintf("zscale=w=%d:h=%d:tin=%s:min=bt2020nc:pin=bt2020:t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,format=yuv420p",
		width, height, transfer)
}

// rungFilters bring a frame of the base to a rung's size and colours.
func (p Plan) rungFilters(r Rung) string {
	v := p.Source.Video
	var all []string
	if r.Divide > 1 {
		all = append(all, fmt.Sprintf("framestep=%d", r.Divide))
	}
	from := ""
	switch {
	case v.HDR != "":
		from = ":in_color_matrix=bt709"
	case v.Matrix == "" && v.Height >= 720:
		from = ":in_color_matrix=bt709" // what high definition without a label is
	case v.Matrix == "":
		from = ":in_color_matrix=bt601"
	}
	all = append(all, fmt.Sprintf("scale=%d:%d:flags=bicubic+accurate_rnd%s:out_color_matrix=bt709:out_range=tv", r.Width, r.Height, from), "format=yuv420p", "setsar=1")
	return strings.Join(all, ",")
}

// soundArgs make all sound and captions from one reading of the source.
func (p Plan) soundArgs(sound []AudioRendition, text []CaptionRendition) []string {
	args := append(openArgs(), "-i", sandbox.Input)
	if len(sound) > 0 {
		var graphs []string
		for i, a := range sound {
			graphs = append(graphs, fmt.Sprintf("[0:%d]%s[a%d]", a.Stream, p.soundFilters(a), i))
		}
		args = append(args, "-filter_complex", strings.Join(graphs, ";"))
	}
	for i, a := range sound {
		args = append(args, "-map", fmt.Sprintf("[a%d]", i), "-c:a", "aac", "-b:a", strconv.Itoa(a.Bitrate), "-ac", strconv.Itoa(a.Channels), "-ar", strconv.Itoa(sampleRate))
		args = append(args, output("")...)
		args = append(args, "-frag_duration", "1000000", pipe(i))
	}
	for i, c := range text {
		args = append(args, "-map", fmt.Sprintf("0:%d", c.Stream), "-c:s", "webvtt", "-map_metadata", "-1", "-map_chapters", "-1", "-flush_packets", "1", "-f", "webvtt", pipe(len(sound)+i))
	}
	return args
}

// soundFilters bring a track to the plan's length from zero on. The encoder's
// priming takes the place of the first 21 ms: so sound is in time everywhere
// without an edit list, which players read in different ways.
func (p Plan) soundFilters(a AudioRendition) string {
	layout := "stereo"
	if a.Channels == 6 {
		layout = "5.1"
	}
	return fmt.Sprintf("aresample=%d:async=1:first_pts=0,aformat=channel_layouts=%s,apad,atrim=start_sample=%d:end_sample=%d,asetpts=N/SR/TB",
		sampleRate, layout, priming, p.samples())
}

// samples of every audio rendition: its length, rounded up to whole AAC frames.
func (p Plan) samples() int64 {
	return p.soundFrames() * aacFrame
}

// soundFrames is how many AAC frames every audio rendition has.
func (p Plan) soundFrames() int64 {
	exact := int64(p.Length/time.Second)*sampleRate + int64(p.Length%time.Second)*sampleRate/int64(time.Second)
	return max(2, (exact+aacFrame-1)/aacFrame)
}

// output is a fragmented MP4 that starts at zero, without edit lists, and without
// the source's metadata, which may say where it was filmed.
func output(flags string) []string {
	move := "+cmaf+empty_moov+skip_trailer"
	if flags != "" {
		move += "+" + flags
	}
	return []string{"-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-f", "mp4", "-movflags", move}
}

// pipe of the nth output; pipe:1 is the progress.
func pipe(n int) string { return fmt.Sprintf("pipe:%d", 3+n) }

func micro(d time.Duration) string {
	return fmt.Sprintf("%d.%06d", d/time.Second, d%time.Second/time.Microsecond)
}
