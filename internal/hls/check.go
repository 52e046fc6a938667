package hls

import (
	"fmt"
	"slices"
	"time"
)

// A Presentation is what Check looks at: everything that is known of a stream.
type Presentation struct {
	Multivariant *Multivariant
	// Playlists by the URI that the multivariant playlist names them with.
	Playlists map[string]*Measured
	// Deliveries are answers of servers, if any were asked.
	Deliveries []Delivery
}

// Measured is a media playlist and what its segments turned out to be.
type Measured struct {
	Media *Media
	// Segments in the order of Media.Segments; empty when nothing was measured.
	Segments []Measurement
}

// A Measurement is what is known of a segment besides its playlist. Zero fields
// are not known, and the rules about them are passed over.
type Measurement struct {
	Bytes int64
	// Duration by the segment's own time stamps.
	Duration time.Duration
	// KeyFirst says whether the first picture is an IDR.
	KeyFirst Fact
	// KeyInterval is the longest time from one key frame to the next or to the
	// end of the segment.
	KeyInterval time.Duration
	// Moof says whether the bytes begin with a moof box.
	Moof Fact
}

// Fact is something that may not be known.
type Fact uint8

// The facts.
const (
	Unknown Fact = iota
	Yes
	No
)

// FactOf is Yes or No.
func FactOf(b bool) Fact {
	if b {
		return Yes
	}
	return No
}

// Severity of a finding: the specification's MUST or SHOULD.
type Severity string

// The severities.
const (
	Must   Severity = "must"
	Should Severity = "should"
)

// A Finding is a rule that a presentation breaks.
type Finding struct {
	// Rule is its number in Apple's HLS authoring specification, as "9.14", or
	// "rfc8216bis" and a section for the protocol itself.
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	// Where names the variant or rendition.
	Where string `json:"where"`
	// Message says what is so and what should be.
	Message string `json:"message"`
}

func (f Finding) String() string {
	return fmt.Sprintf("%s (%s) %s: %s", f.Rule, f.Severity, f.Where, f.Message)
}

// Check applies the rules of Apple's HLS authoring specification that playlists
// and measurements can tell, in the order of its chapters. A rule is passed over
// where what it is about is not known; a playlist that is missing is a finding.
func Check(p *Presentation) []Finding {
	c := newChecker(p)
	var found []Finding
	for _, r := range allRules() {
		r.check(c, func(where, format string, args ...any) {
			found = append(found, Finding{Rule: r.number, Severity: r.severity, Where: where, Message: fmt.Sprintf(format, args...)})
		})
	}
	return found
}

// A rule reports every place where it is broken.
type rule struct {
	number   string
	severity Severity
	check    func(c *checker, report reporter)
}

type reporter func(where, format string, args ...any)

func allRules() []rule {
	return slices.Concat(protocolRules(), videoRules(), rateRules(), audioRules(), textRules(), trickRules(), segmentRules(), mediaRules(), variantRules(), deliveryRules())
}
