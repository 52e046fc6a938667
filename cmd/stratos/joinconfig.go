package main

import (
	"bytes"
	"strings"
	"text/template"
)

// edgeCaddyfile is what an operator would write by hand. A bare address gets its
// certificate by the ACME profile "shortlived" and answers clients that send no
// server name, which they do not for addresses.
const edgeCaddyfile = `{
	grace_period 30s
{{- if .Address}}
	default_sni {{.Host}}
{{- end}}
	stratos {
		dir {{.Dir}}
		meta {{.Metas}}
		edge {
			memory 256MiB
			pinned 100GB
			cached 20GB
		}
	}
}

{{.Site}} {
{{- if or .Address .ACME}}
	tls {
		issuer acme {
{{- if .ACME}}
			dir {{.ACME}}
{{- end}}
{{- if .ACMERoot}}
			trusted_roots {{.ACMERoot}}
{{- end}}
{{- if .Address}}
			profile shortlived
{{- end}}
		}
	}
{{- end}}
	stratos_edge
}
`

func (j *joining) caddyfile(dir string, e *endpoint) ([]byte, error) {
	t, err := template.New("Caddyfile").Parse(edgeCaddyfile)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, map[string]any{
		"Dir": dir, "Metas": strings.Join(j.metas, " "), "Host": e.host, "Address": e.address.IsValid(),
		"Site": strings.TrimSuffix(j.url, "/"), "ACME": j.acme, "ACMERoot": j.acmeRoot,
	})
	return out.Bytes(), err
}
