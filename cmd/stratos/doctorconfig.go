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
	// edges are the nodes whose `stratos` block has an edge.
	edges []edgeConfig
}

// edgeConfig is what says who an edge is and whom it asks.
type edgeConfig struct {
	dir, ca string
	metas   []string
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
	var node edgeConfig
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		switch {
		case words[0] == "dir" && !strings.Contains(words[1], "://") && node.dir == "":
			node.dir = strings.Trim(words[1], `"`)
		case words[0] == "ca" && node.ca == "":
			node.ca = strings.Trim(words[1], `"`)
		case words[0] == "meta" && node.metas == nil:
			node.metas = words[1:]
		case words[0] == "edge" && words[1] == "{" && node.dir != "" && node.metas != nil:
			k.edges = append(k.edges, node)
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
