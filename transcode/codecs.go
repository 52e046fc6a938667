package transcode

import (
	"errors"
	"fmt"

	"github.com/Eyevinn/mp4ff/avc"
	"github.com/Eyevinn/mp4ff/hevc"
	"github.com/Eyevinn/mp4ff/mp4"
)

// codecs is a track's entry of CODECS, RFC 6381, read from its sample entry.
func codecs(t *track) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("unreadable sample entry: %v", p)
		}
	}()
	entries := t.trak.Mdia.Minf.Stbl.Stsd
	switch {
	case entries.Mp4a != nil:
		return mp4aCodecs(entries.Mp4a)
	case entries.AvcX != nil && entries.AvcX.AvcC != nil && len(entries.AvcX.AvcC.SPSnalus) > 0:
		sps, err := avc.ParseSPSNALUnit(entries.AvcX.AvcC.SPSnalus[0], false)
		if err != nil {
			return "", fmt.Errorf("read the parameters of H.264: %w", err)
		}
		return avc.CodecString(entries.AvcX.Type(), sps), nil
	case entries.HvcX != nil && entries.HvcX.HvcC != nil:
		units := entries.HvcX.HvcC.GetNalusForType(hevc.NALU_SPS)
		if len(units) == 0 {
			return "", errors.New("HEVC without parameters")
		}
		sps, err := hevc.ParseSPSNALUnit(units[0])
		if err != nil {
			return "", fmt.Errorf("read the parameters of HEVC: %w", err)
		}
		return hevc.CodecString(entries.HvcX.Type(), sps), nil
	case entries.Av01 != nil && entries.Av01.Av1C != nil:
		return av1Codecs(entries.Av01.Av1C), nil
	}
	return "", errors.New("a sample entry that no encoder here makes")
}

// mp4aCodecs gives the audio object type of the decoder's configuration.
func mp4aCodecs(entry *mp4.AudioSampleEntryBox) (string, error) {
	config := entry.Esds.DecConfigDescriptor.DecSpecificInfo.DecConfig
	if len(config) == 0 {
		return "", errors.New("AAC without parameters")
	}
	return fmt.Sprintf("mp4a.40.%d", config[0]>>3), nil
}

// av1Codecs is the short form of the AV1 ISOBMFF binding, section 5: the rest
// has its defaults in 8-bit 4:2:0 of BT.709.
func av1Codecs(c *mp4.Av1CBox) string {
	tier := "M"
	if c.SeqTier0 == 1 {
		tier = "H"
	}
	depth := 8
	if c.HighBitdepth == 1 {
		depth = 10
	}
	return fmt.Sprintf("av01.%d.%02d%s.%02d", c.SeqProfile, c.SeqLevelIdx0, tier, depth)
}
