package transcode

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// step is a row of the table: the box that pictures are fitted into, and the
// average bit rate of H.264 in bits per second.
type step struct{ width, height, bitrate int }

// table is that of Apple's authoring specification for 16:9 at 30 frames per
// second, one row for each size, with two above it. The row marked by firstRate
// is the one that players should start with.
var table = [...]step{
	{3840, 2160, 18_000_000},
	{2560, 1440, 11_000_000},
	{1920, 1080, 6_000_000},
	{1280, 720, 3_000_000},
	{960, 540, 2_000_000},
	{768, 432, 1_100_000},
	{640, 360, 365_000},
	{416, 234, 145_000},
}

const (
	firstRate = 2_000_000
	// Lengths that the grid aims at.
	keyInterval   = 2 * time.Second
	segmentLength = 4 * time.Second
	// Rungs under 540 lines have at most 30 frames per second.
	lowHeight, lowRate, highRate = 540, 30, 60
	sampleRate                   = 48000
	// smallestEdge that the encoders of HEVC and AV1 take.
	smallestEdge = 64
	// priming is the encoder's delay in samples; a whole AAC frame.
	priming, aacFrame = 1024, 1024
)

// Ladder plans what will be made of a source. It is a pure function: equal
// sources and policies give equal plans.
func Ladder(source Source, policy Policy) (Plan, error) {
	policy = policy.withDefaults()
	if source.Duration > policy.MaxDuration {
		return Plan{}, &Refusal{Reason: ReasonTooLarge, Sentence: fmt.Sprintf("The video lasts %s; at most %s are taken here. Cut it into parts.", source.Duration.Round(time.Second), policy.MaxDuration)}
	}
	if source.Video == nil && len(source.Audio) == 0 {
		return Plan{}, &Refusal{Reason: ReasonNotMedia, Sentence: "The file holds neither video nor sound."}
	}
	p := Plan{Version: PlanVersion, Source: source, PieceSegments: policy.PieceSegments}
	if source.Video != nil {
		p.videoGrid()
		if err := p.addRungs(policy); err != nil {
			return Plan{}, err
		}
	} else {
		p.soundGrid()
	}
	p.addAudio(policy)
	p.addCaptions()
	return p, nil
}

// videoGrid sets the times at which all rungs have key frames and segments.
func (p *Plan) videoGrid() {
	rate := limit(p.Source.Video.Rate, highRate)
	low := limit(rate, lowRate)
	divide := int(math.Round(rate.Float() / low.Float()))
	// Whole frames of the slowest rung, so that the others divide too.
	key := max(1, int(low.frames(keyInterval)))
	keys := max(1, int(math.Round(float64(low.frames(segmentLength))/float64(key))))
	p.Rate = rate
	p.KeyFrames, p.SegmentFrames = key*divide, key*keys*divide
	p.SegmentTime = rate.time(int64(p.SegmentFrames))
	// A whole number of the slowest rung's frames, at least one.
	frames := max(1, low.frames(p.Source.Duration))
	p.Frames = frames * int64(divide)
	p.Length = rate.time(p.Frames)
	p.Segments = int((p.Frames + int64(p.SegmentFrames) - 1) / int64(p.SegmentFrames))
}

// soundGrid is that of a source without pictures. A segment needs samples beyond
// the priming.
func (p *Plan) soundGrid() {
	p.SegmentTime = segmentLength
	p.Length = max(p.Source.Duration, 100*time.Millisecond)
	p.Segments = int((p.Length + segmentLength - 1) / segmentLength)
}

// limit divides a rate by the smallest whole number that brings it under most.
func limit(r Ratio, most int) Ratio {
	n := int(math.Ceil(r.Float()/float64(most) - 0.001))
	return r.over(max(1, n))
}

// addRungs makes a ladder for each codec.
func (p *Plan) addRungs(policy Policy) error {
	codecs := slices.Clone(policy.Codecs)
	if !slices.Contains(codecs, H264) {
		codecs = append([]Codec{H264}, codecs...)
	}
	for _, codec := range codecs {
		if codec != H264 && codec != HEVC && codec != AV1 {
			return fmt.Errorf("transcode: policy: the codec %q is none of h264, hevc and av1", codec)
		}
		p.Rungs = append(p.Rungs, p.rungs(codec, policy)...)
	}
	first := 0
	for i, r := range p.Rungs {
		if r.Codec == H264 && distance(r) < distance(p.Rungs[first]) {
			first = i
		}
	}
	// The first stays in its ladder's order otherwise.
	start := p.Rungs[first]
	p.Rungs = append([]Rung{start}, slices.Delete(p.Rungs, first, first+1)...)
	return nil
}

// distance of a rung from where players should start.
func distance(r Rung) float64 {
	if r.Codec != H264 {
		return math.Inf(1)
	}
	return math.Abs(math.Log(float64(r.Bitrate) / firstRate))
}

// rungs from high to low: every row whose box is smaller than the source, and
// the source's own size instead of the first larger one. Nothing is enlarged.
func (p *Plan) rungs(codec Codec, policy Policy) []Rung {
	v := p.Source.Video
	var all []Rung
	names := map[string]bool{}
	for i, row := range table {
		if row.height > policy.MaxHeight {
			continue
		}
		scale := fit(v.Width, v.Height, row)
		below := i+1 < len(table) && fit(v.Width, v.Height, table[i+1]) >= 1
		if scale > 1 && below {
			continue // a smaller row is larger than the source too
		}
		scale = min(scale, 1)
		r := Rung{
			Codec: codec, Width: within(v.Width, scale), Height: within(v.Height, scale),
			Divide: 1, Preset: policy.Preset, Quality: policy.Quality,
		}
		if codec != H264 && min(r.Width, r.Height) < smallestEdge {
			continue
		}
		if n := len(all); n > 0 && float64(r.Width*r.Height) > 0.85*float64(all[n-1].Width*all[n-1].Height) {
			continue // hardly smaller than the one above
		}
		r.Bitrate = bitrate(row, r.Width*r.Height)
		if min(r.Width, r.Height) < lowHeight && float64(r.Width*r.Height) < 960*540*0.9 {
			r.Divide = int(math.Round(p.Rate.Float() / limit(p.Rate, lowRate).Float()))
		} else if p.Rate.Float() > 31 {
			r.Bitrate = r.Bitrate * 13 / 10 // the table is for 30 frames per second
		}
		r.finish(p.Rate.over(r.Divide))
		r.Name = unique(names, rungName(r))
		all = append(all, r)
	}
	if len(all) == 1 {
		// Players need somewhere to go when the link is slow.
		r := all[0]
		r.Bitrate, r.Quality = max(30_000, r.Bitrate/2), r.Quality+6
		r.Name += "-low"
		all = append(all, r)
	}
	return all
}

// fit is the factor that brings a picture into a row's box, turned for portrait.
func fit(width, height int, row step) float64 {
	w, h := float64(row.width), float64(row.height)
	if height > width {
		w, h = h, w
	}
	return min(w/float64(width), h/float64(height))
}

// within is an even edge that is no longer than the source's.
func within(edge int, scale float64) int {
	return max(2, min(even(float64(edge)*scale), edge&^1))
}

func even(f float64) int { return max(2, int(math.Round(f/2))*2) }

// bitrate for fewer pixels than the row's box has: falling slower than they do.
func bitrate(row step, pixels int) int {
	share := float64(pixels) / float64(row.width*row.height)
	return max(60_000, int(math.Round(float64(row.bitrate)*math.Pow(min(share, 1), 0.75)/1000))*1000)
}

// finish sets what depends on the codec.
func (r *Rung) finish(rate Ratio) {
	switch r.Codec {
	case H264:
		r.Profile, r.Level = "high", h264Level(r.Width, r.Height, rate, r.Bitrate)
	case HEVC:
		r.Bitrate, r.Quality = r.Bitrate*7/10, r.Quality+3
	case AV1:
		r.Bitrate, r.Quality = r.Bitrate*6/10, r.Quality+12
	}
}

// rungName is by the short edge, as people call sizes.
func rungName(r Rung) string {
	name := fmt.Sprintf("video/%dp", min(r.Width, r.Height))
	if r.Codec != H264 {
		name += "-" + string(r.Codec)
	}
	return name
}
