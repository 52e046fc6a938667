package transcode

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// lastPart is how much of a long file is read to see that its end is there.
const lastPart = 10 * time.Second

// measureEnd sets the source's duration from its packets: a header may promise
// what a broken upload lacks, and some containers promise nothing. A long file
// with its end in place is read there only.
func measureEnd(ctx context.Context, box *sandbox.Box, path string, s *Source) error {
	promised := s.Duration
	got, err := extent{}, error(nil)
	if promised > 3*lastPart {
		if got, err = packets(ctx, box, path, s, promised-lastPart); err != nil {
			return err
		}
	}
	if got.end == 0 || got.end < promised-lastPart/2 {
		if got, err = packets(ctx, box, path, s, 0); err != nil {
			return err
		}
		if s.Video != nil && got.video == 0 {
			s.leave("The video track: it holds no pictures.")
			s.Video = nil
		}
		if s.Video != nil && got.video == 1 && len(s.Audio) == 0 {
			return &Refusal{Reason: ReasonStill, Sentence: "The file is a single picture, not a video."}
		}
	}
	missing := promised - got.end
	short := missing > max(time.Second, promised/50)
	if got.end <= 0 || short && got.end < time.Second || s.Video == nil && len(s.Audio) == 0 {
		return &Refusal{Reason: ReasonTruncated, Sentence: "The file ends before anything that can be played. Upload it again."}
	}
	if short {
		s.leave("The last %s: the file says that it lasts %s, but ends before.", missing.Round(time.Second), promised.Round(time.Second))
	}
	s.Duration = got.end
	return nil
}

// extent of the packets that were read.
type extent struct {
	start, end time.Duration
	video      int // how many of the video track
}

// packets reads packets from a time on, without decoding.
func packets(ctx context.Context, box *sandbox.Box, path string, s *Source, from time.Duration) (extent, error) {
	args := append([]string{"-v", "error"}, openArgs()...)
	if from > 0 {
		args = append(args, "-read_intervals", fmt.Sprintf("%.3f%%", from.Seconds()))
	}
	args = append(args, "-show_entries", "packet=stream_index,pts_time,duration_time:format=start_time", "-of", "csv=p=1", "-i", sandbox.Input)
	played := map[int]bool{}
	video := -1
	if s.Video != nil {
		video = s.Video.Stream
		played[video] = true
	}
	for _, a := range s.Audio {
		played[a.Stream] = true
	}
	var got extent
	err := box.Run(ctx, sandbox.Command{
		Program: "ffprobe", Args: args, Input: path,
		Limits:  sandbox.Limits{CPU: 10 * time.Minute, Wall: 30 * time.Minute, Output: 2 << 30},
		Outputs: []func(io.Reader) error{func(r io.Reader) error { return got.read(r, played, video) }},
	})
	var exit *sandbox.ExitError
	if err != nil && !errors.As(err, &exit) { // a broken end is what is looked for
		return got, fmt.Errorf("transcode: read the source's packets: %w", err)
	}
	got.end -= got.start
	return got, nil
}

// read takes lines of "packet,0,1.001000,0.041000" and "format,0.000000".
func (e *extent) read(r io.Reader, played map[int]bool, video int) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ",")
		if fields[0] == "format" && len(fields) > 1 {
			if f, err := strconv.ParseFloat(fields[1], 64); err == nil && f > -1e7 && f < 1e7 {
				e.start = time.Duration(f * float64(time.Second))
			}
		}
		if fields[0] != "packet" || len(fields) < 3 {
			continue
		}
		index, err := strconv.Atoi(fields[1])
		if err != nil || !played[index] {
			continue
		}
		if index == video {
			e.video++
		}
		end := seconds(fields[2])
		if len(fields) > 3 {
			end += seconds(fields[3])
		}
		e.end = max(e.end, end)
	}
	return lines.Err()
}
