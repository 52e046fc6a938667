package transcode

// h264Level is the lowest level of ITU-T H.264 table A-1 (High profile) that
// holds the picture, its rate and the ceiling of its bit rate.
func h264Level(width, height int, rate Ratio, bitrate int) string {
	blocks := ((width + 15) / 16) * ((height + 15) / 16)
	perSecond := float64(blocks) * rate.Float()
	for _, l := range [...]struct {
		name      string
		perSecond float64
		blocks    int
		kilobits  int
	}{
		{"1.1", 3000, 396, 240},
		{"1.2", 6000, 396, 480},
		{"1.3", 11880, 396, 960},
		{"2.1", 19800, 792, 5000},
		{"3.0", 40500, 1620, 12500},
		{"3.1", 108000, 3600, 17500},
		{"3.2", 216000, 5120, 25000},
		{"4.0", 245760, 8192, 25000},
		{"4.2", 522240, 8704, 62500},
		{"5.0", 589824, 22080, 168750},
		{"5.1", 983040, 36864, 300000},
	} {
		if perSecond <= l.perSecond && blocks <= l.blocks && 2*bitrate <= l.kilobits*1000 {
			return l.name
		}
	}
	return "5.2"
}
