package devnet

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"text/template"
)

// roleConfig is what the Caddyfile of a role needs to know.
type roleConfig struct {
	Bind    string
	Metas   []string
	CA      string
	Sites   []string
	Cert    string
	Key     string
	Handler string
	// Edge fills the edge block, for edges only.
	Edge bool
	Plan Plan
}

// The template is what an operator would write by hand, less the certificates
// that only a development network needs.
const caddyfile = `{
	admin unix/admin.sock
	default_bind {{.Bind}}
	auto_https disable_redirects
	skip_install_trust
	grace_period 10s
	storage file_system caddy
	servers {
		trusted_proxies static 127.0.0.0/8
		trusted_proxies_strict
{{- if .Edge}}
		listener_wrappers {
			stratos
		}
{{- end}}
	}
	log {
		level INFO
	}
	stratos {
		dir .
		development
{{- if .Metas}}
		meta {{join .Metas " "}}
{{- end}}
		ca {{.CA}}
{{- if .Edge}}
		edge {
			memory {{.Plan.Memory}}
			pinned {{.Plan.Pinned}}
			cached {{.Plan.Cached}}
		}
{{- end}}
	}
}
{{range .Sites}}
{{.}} {
{{- if $.Cert}}{{if https .}}
	tls {{$.Cert}} {{$.Key}}
{{- end}}{{end}}
{{- if $.Edge}}
	@playlists path *.m3u8
	encode @playlists {
		gzip
		minimum_length 1
		match header Content-Type application/vnd.apple.mpegurl*
	}
{{- end}}
	{{$.Handler}}
}
{{end}}`

func (c roleConfig) render() ([]byte, error) {
	t, err := template.New("Caddyfile").Funcs(template.FuncMap{
		"join":  strings.Join,
		"https": func(site string) bool { return strings.HasPrefix(site, "https://") },
	}).Parse(caddyfile)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, c); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// metaHandler, routerHandler and originHandler are the directives of the roles.
func metaHandler(p Plan, operator string) string {
	lines := []string{"chain_id " + ChainID, "authority 1", "operator " + operator, fmt.Sprintf("replicas %d", p.Replicas())}
	if p.Redis != "" {
		lines = append(lines, "redis "+p.Redis)
	}
	if p.Grace != "" {
		lines = append(lines, "grace "+p.Grace)
	}
	return directive("stratos_meta", lines...)
}

func routerHandler(p Plan, dir string) string {
	lines := []string{"zones " + filepath.Join(dir, "zones")}
	if len(p.GeoIP) > 0 {
		lines = append(lines, "geoip "+strings.Join(p.GeoIP, " "))
	}
	return directive("stratos_router", lines...)
}

func originHandler(p Plan, dir string) string {
	// Whoever tries webhooks out does so on his own machine.
	lines := []string{"keys " + filepath.Join(dir, "keys.json"), fmt.Sprintf("replicas %d", p.Replicas()), "webhooks private"}
	if p.Workers != nil {
		lines = append(lines, fmt.Sprintf("workers %d", *p.Workers))
	}
	if p.NoSandbox {
		lines = append(lines, "sandbox off")
	}
	return directive("stratos_origin", lines...)
}

func directive(name string, lines ...string) string {
	return name + " {\n\t\t" + strings.Join(lines, "\n\t\t") + "\n\t}"
}
