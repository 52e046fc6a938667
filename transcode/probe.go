package transcode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// containers are the formats that are opened. None of them names other files:
// no playlists, no concatenation, no image sequences, no scripts.
const containers = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,flv,asf,wav,w64,aiff,mp3,aac,ac3,eac3,flac,ogg"

// openArgs come before every -i. The list of protocols alone does not keep a
// playlist from naming local files, and in the room there are none anyway.
func openArgs() []string {
	return []string{"-protocol_whitelist", "file", "-format_whitelist", containers}
}

// Probe says what the file at path holds. A file that cannot become a ladder
// gives a *Refusal.
func Probe(ctx context.Context, box *sandbox.Box, path string) (Source, error) {
	size, err := look(path)
	if err != nil {
		return Source{}, err
	}
	args := append([]string{"-v", "error"}, openArgs()...)
	args = append(args, "-analyzeduration", "10M", "-probesize", "20M", "-show_format", "-show_streams", "-of", "json", "-i", sandbox.Input)
	var text []byte
	err = box.Run(ctx, sandbox.Command{
		Program: "ffprobe", Args: args, Input: path,
		Limits: sandbox.Limits{CPU: 2 * time.Minute, Wall: 5 * time.Minute, Output: maxProbe},
		Outputs: []func(io.Reader) error{func(r io.Reader) error {
			text, err = io.ReadAll(r)
			return err
		}},
	})
	if refusal := refuse(err); refusal != nil {
		return Source{}, refusal
	}
	if err != nil {
		return Source{}, fmt.Errorf("transcode: probe: %w", err)
	}
	source, err := parseProbed(text)
	if err != nil {
		return Source{}, err
	}
	source.Bytes = size
	if err := measureEnd(ctx, box, path, &source); err != nil {
		return Source{}, err
	}
	return source, nil
}

// maxProbe bounds what ffprobe may print about a file.
const maxProbe = 64 << 20

// look refuses by the first bytes.
func look(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("transcode: open the source: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("transcode: open the source: %w", err)
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("transcode: the source %s is no regular file", path)
	}
	b := make([]byte, head)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, fmt.Errorf("transcode: read the source: %w", err)
	}
	if refusal := sniff(b[:n]); refusal != nil {
		return 0, refusal
	}
	return info.Size(), nil
}

// refuse tells what a program said about a file from failures of ours.
func refuse(err error) *Refusal {
	var exit *sandbox.ExitError
	if !errors.As(err, &exit) || exit.Code < 0 {
		return nil
	}
	said := exit.Stderr
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(said, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("Cannot allocate memory", "out of memory", "while loading shared libraries"):
		return nil
	case has("moov atom not found"):
		return &Refusal{ReasonTruncated, "The end of the file is missing, and with it the index without which nothing can be played. Upload it again.", said}
	case has("not on whitelist"):
		return &Refusal{ReasonNotMedia, "The file is not in a video or audio format that is taken here. Export it as MP4, MOV, MKV, WebM or MPEG-TS.", said}
	case has("Decoder not found", "Unknown decoder", "not implemented", "not currently supported") || has("Decoder (codec") && has("not found"):
		return &Refusal{ReasonUnsupported, "The file uses a codec that is not supported here. Export it as H.264, HEVC, AV1 or VP9 with AAC sound.", said}
	case has("Invalid data found", "End of file"):
		return &Refusal{ReasonNotMedia, "The file cannot be read as a video: it is damaged or something else. Export it as MP4, MOV, MKV or WebM and upload it again.", said}
	}
	return nil
}
