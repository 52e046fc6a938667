package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
)

// configured is what Caddyfiles say that doctor can look at.
type configured struct {
	redis, geoip []string
}

// readConfig finds the options of our directives in a Caddyfile. Values that
// come from the environment or other files are not followed.
func (k *configured) readConfig(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		for _, value := range words[1:] {
			value = strings.Trim(value, `"`)
			switch {
			case value == "" || strings.ContainsAny(value, "{}"):
			case words[0] == "redis":
				k.redis = append(k.redis, value)
			case words[0] == "geoip":
				if !filepath.IsAbs(value) {
					value = filepath.Join(filepath.Dir(path), value)
				}
				k.geoip = append(k.geoip, value)
			}
		}
	}
	return lines.Err()
}
