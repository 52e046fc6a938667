package transcode

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// ratio in lowest terms; zero when either part is not positive.
func ratio(num, den int) Ratio {
	if num <= 0 || den <= 0 {
		return Ratio{}
	}
	a, b := num, den
	for b != 0 {
		a, b = b, a%b
	}
	return Ratio{num / a, den / a}
}

// parseRatio reads ffprobe's "30000/1001" and "16:15"; zero when it says nothing.
func parseRatio(text string) Ratio {
	n, d, ok := strings.Cut(strings.Replace(text, ":", "/", 1), "/")
	if !ok {
		return Ratio{}
	}
	num, err1 := strconv.Atoi(n)
	den, err2 := strconv.Atoi(d)
	if err1 != nil || err2 != nil || num > 1<<31 || den > 1<<31 {
		return Ratio{}
	}
	return ratio(num, den)
}

// Float of the ratio; 0 for the zero ratio.
func (r Ratio) Float() float64 {
	if r.Den == 0 {
		return 0
	}
	return float64(r.Num) / float64(r.Den)
}

func (r Ratio) String() string { return fmt.Sprintf("%d/%d", r.Num, r.Den) }

// over divides the ratio by n.
func (r Ratio) over(n int) Ratio { return ratio(r.Num, r.Den*n) }

// time of n frames at this rate, to the nanosecond below.
func (r Ratio) time(frames int64) time.Duration {
	if r.Num == 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(frames)*uint64(r.Den), uint64(time.Second))
	q, _ := bits.Div64(hi%uint64(r.Num), lo, uint64(r.Num))
	return time.Duration(q)
}

// frames that begin within d at this rate, rounded to the nearest.
func (r Ratio) frames(d time.Duration) int64 {
	return int64(d.Seconds()*r.Float() + 0.5)
}
