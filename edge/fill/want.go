package fill

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
)

// Header fields that tell the edge that is asked where to fill from, should it
// be the parent. The signature covers them.
const (
	unitField    = "Stratos-Unit"
	holdersField = "Stratos-Holders"
	stepField    = "Stratos-Step"
)

// maxHolders that one edge tells another.
const maxHolders = 16

// WriteWant adds a want to a request for a slice, at the step at which it is
// asked. Step 0 adds nothing: who is asked then has the block or has not.
func WriteWant(header http.Header, w peers.Want, step uint8) {
	if step == 0 || w.Unit == (meta.UnitKey{}) || len(w.Holders) == 0 {
		return
	}
	holders := make([]string, 0, maxHolders)
	for _, id := range w.Holders[:min(len(w.Holders), maxHolders)] {
		holders = append(holders, strconv.FormatUint(uint64(id), 10))
	}
	header.Set(unitField, base64.RawURLEncoding.EncodeToString(w.Unit[:]))
	header.Set(holdersField, strings.Join(holders, ","))
	header.Set(stepField, strconv.Itoa(int(step)))
}

// ReadWant reads what WriteWant added; false when there is nothing to fill from.
func ReadWant(header http.Header) (peers.Want, bool) {
	unit, err := base64.RawURLEncoding.DecodeString(header.Get(unitField))
	if err != nil || len(unit) != len(meta.UnitKey{}) {
		return peers.Want{}, false
	}
	// Without a step, or with one that is not ours, nobody further is asked.
	w := peers.Want{Unit: meta.UnitKey(unit), Step: peers.LastStep}
	if header.Get(stepField) == "1" {
		w.Step = 1
	}
	text := header.Get(holdersField)
	for text != "" && len(w.Holders) < maxHolders {
		var one string
		one, text, _ = strings.Cut(text, ",")
		id, err := strconv.ParseUint(one, 10, 32)
		if err != nil {
			return peers.Want{}, false
		}
		w.Holders = append(w.Holders, meta.EdgeID(id))
	}
	return w, len(w.Holders) > 0
}
