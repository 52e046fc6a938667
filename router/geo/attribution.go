package geo

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"
)

// attributionSuffix names the file beside a database that holds its
// attribution: Update writes it, and an operator may.
const attributionSuffix = ".attribution"

const maxAttribution = 1024

// attributionOf is what must be said where answers of a database are shown: the
// text beside it, or what the providers whose licences ask for it have laid
// down, or what the database says of itself.
func attributionOf(path string, m maxminddb.Metadata) string {
	if text, err := os.ReadFile(path + attributionSuffix); err == nil {
		if line := firstLine(string(text)); line != "" {
			return line
		}
	}
	if text := attributionFor(filepath.Base(path), m.DatabaseType+" "+m.Description["en"]); text != "" {
		return text
	}
	return firstLine(m.Description["en"])
}

// attributionFor knows the providers by their files' names or by what is said
// about a file. An unknown provider is credited with the licence that came with
// the file.
func attributionFor(file, about string) string {
	known := strings.ToLower(file + " " + about)
	switch {
	case strings.Contains(known, "dbip"), strings.Contains(known, "db-ip"):
		return "IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0"
	case strings.Contains(known, "geolite2"):
		return "This product includes GeoLite2 data created by MaxMind, available from https://www.maxmind.com"
	case strings.Contains(known, "geo-whois-asn"), strings.Contains(known, "nro.net"):
		return "IP to country from the Number Resource Organization's delegated statistics (https://www.nro.net), CC BY 4.0"
	}
	return ""
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line[:min(len(line), maxAttribution)])
}
