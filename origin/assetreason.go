package origin

import (
	"context"
	"errors"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/transcode"
)

// Reason is why an asset failed, for programs and for whoever uploaded it.
type Reason struct {
	// Type is urn:stratos:problem: and a word.
	Type string `json:"type"`
	// Detail says what is wrong, Hint what to do.
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// reasonType begins every Type.
const reasonType = "urn:stratos:problem:"

// lasting returns the reason of an error that stays however often one tries,
// nil for one that may pass.
func lasting(err error) *Reason {
	var refusal *transcode.Refusal
	if errors.As(err, &refusal) {
		return &Reason{Type: reasonType + "source-" + kebab(string(refusal.Reason)), Detail: refusal.Sentence, Hint: hint(refusal.Reason)}
	}
	var tried *exhausted
	if errors.As(err, &tried) {
		return &Reason{
			Type: reasonType + "encoding", Detail: "The video could not be encoded: " + tried.detail,
			Hint: "Upload it again as a new asset. If it fails again, ask the operator of the origin: the log has the details under this asset's id.",
		}
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	p := problem(err)
	var known *httperr.Problem
	if settled(err) || errors.As(err, &known) && known.Status < 500 || p.Type == "no-room" {
		return &Reason{Type: reasonType + p.Type, Detail: p.Detail, Hint: p.Hint}
	}
	return nil
}

// hint says what to do about a file that is refused.
func hint(r transcode.Reason) string {
	switch r {
	case transcode.ReasonEmpty, transcode.ReasonTruncated:
		return "Check that the file plays on your own computer, and upload it again."
	case transcode.ReasonNotMedia:
		return "Upload a video or audio file, such as MP4, MOV, MKV, WebM or MP3."
	case transcode.ReasonPlaylist:
		return "Upload the media file itself. A finished HLS ladder goes to /v1/bundles with \"hls\": true."
	case transcode.ReasonStill:
		return "Publish a picture as a file, not as a video."
	case transcode.ReasonUnsupported:
		return "Export the video as H.264 in MP4 and upload that."
	case transcode.ReasonTooLarge:
		return "Cut the video into parts, or ask the operator of the origin for more."
	case transcode.ReasonDamaged:
		return "Play the file to its end on your own computer; export it again where it breaks."
	}
	return ""
}

func kebab(word string) string {
	b := []byte(word)
	for i := range b {
		if b[i] == '_' {
			b[i] = '-'
		}
	}
	return string(b)
}

// exhausted is a task that failed as often as it may.
type exhausted struct{ detail string }

func (e *exhausted) Error() string { return "a task failed too often: " + e.detail }
