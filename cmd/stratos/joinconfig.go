package main

import (
	"bytes"
	"strings"
	"text/template"
)

// edgeCaddyfile is what an operator would write by hand. A bare address gets its
// certificate by the ACME profile "shortlived", where the authority has profiles
// (one that was named with --acme need not), and answers clients that send no
// server name, as they do for addresses.
const edgeCaddyfile = `{
	grace_period 30s
{{- if .Address}}
	default_sni {{.Host}}
{{- end}}
	servers {
		listener_wrappers {
			stratos
		}
	}
	stratos {
		dir {{.Dir}}
		meta {{.Metas}}
{{- if .CA}}
		ca {{.CA}}
{{- end}}
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
{{- if and .Address (not .ACME)}}
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
		"Site": strings.TrimSuffix(j.url, "/"), "ACME": j.acme, "ACMERoot": j.acmeRoot, "CA": j.ca,
	})
	return out.Bytes(), err
}
