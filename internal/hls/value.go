package hls

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Digest is a SHA-256; the zero value says that there is none.
type Digest [sha256.Size]byte

// IsZero says that there is no digest.
func (d Digest) IsZero() bool { return d == Digest{} }

// String is the digest in 64 small hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads what String wrote, and no other spelling.
func ParseDigest(text string) (Digest, error) {
	var d Digest
	if len(text) != 2*len(d) || strings.ToLower(text) != text {
		return d, fmt.Errorf("%.70q is no SHA-256: want 64 small hexadecimal digits", text)
	}
	if _, err := hex.Decode(d[:], []byte(text)); err != nil {
		return Digest{}, fmt.Errorf("%.70q is no SHA-256: want 64 small hexadecimal digits", text)
	}
	return d, nil
}

// ByteRange is a part of a file.
type ByteRange struct {
	Length, Offset int64
}

// String is the range as EXT-X-BYTERANGE writes it, length@offset.
func (r ByteRange) String() string {
	return strconv.FormatInt(r.Length, 10) + "@" + strconv.FormatInt(r.Offset, 10)
}

// maxOffset bounds sums of ranges; 2^53 is what players count exactly.
const maxOffset = 1 << 53

// parseByteRange reads length[@offset]; at is false without an offset.
func parseByteRange(text string) (r ByteRange, at bool, err error) {
	length, offset, at := strings.Cut(text, "@")
	r.Length, err = parseInt(length, maxOffset)
	if err == nil && at {
		r.Offset, err = parseInt(offset, maxOffset)
	}
	if err != nil || r.Offset+r.Length > maxOffset {
		return ByteRange{}, false, fmt.Errorf("%.60q is no byte range: write LENGTH@OFFSET in bytes", text)
	}
	return r, at, nil
}

// parseInt reads a decimal integer of digits alone, up to limit.
func parseInt(text string, limit int64) (int64, error) {
	if text == "" || strings.TrimLeft(text, "0123456789") != "" {
		return 0, fmt.Errorf("%.40q is no whole number: write digits alone", text)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > limit {
		return 0, fmt.Errorf("%.40s is too large: the limit is %d", text, limit)
	}
	return n, nil
}

// parseDecimal reads a number such as 29.97, not negative, below 2^53.
func parseDecimal(text string) (float64, error) {
	if strings.Trim(text, "0123456789.") == "" {
		if f, err := strconv.ParseFloat(text, 64); err == nil && f < maxOffset {
			return f, nil
		}
	}
	return 0, fmt.Errorf("%.40q is no decimal number: write digits with a point", text)
}

// maxSeconds bounds durations: over 30 years.
const maxSeconds = 1_000_000_000

// parseSeconds reads seconds such as 4.004 or -2.5 to the nanosecond; further
// digits are cut off.
func parseSeconds(text string) (time.Duration, error) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	n, err := parseInt("0"+whole, maxSeconds)
	nano, err2 := parseInt((fraction + "000000000")[:9], int64(time.Second))
	if err != nil || err2 != nil || whole+fraction == "" || strings.Trim(fraction, "0123456789") != "" {
		return 0, fmt.Errorf("%.40q is no time in seconds: write digits with a point, as 4.004", text)
	}
	d := time.Duration(n)*time.Second + time.Duration(nano)
	if negative {
		return -d, nil
	}
	return d, nil
}

// formatSeconds writes a time exactly, with at least three decimals.
func formatSeconds(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	nano := fmt.Sprintf("%09d", d%time.Second)
	for len(nano) > 3 && nano[len(nano)-1] == '0' {
		nano = nano[:len(nano)-1]
	}
	return sign + strconv.FormatInt(int64(d/time.Second), 10) + "." + nano
}
