package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/internal/hls"
)

// checkFlags are what `stratos check` is told.
type checkFlags struct {
	all    bool
	sample int
}

func (c *cli) check() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check URL|NAME",
		Short: "Hold an HLS stream against Apple's authoring specification",
		Long: `Fetches a multivariant playlist, its media playlists and segments, measures them, and
prints every rule of Apple's HLS authoring specification that is broken, as far as it
can be told from outside: "must" or "should", the rule's number, where, and what to do.
Digests of Stratos are checked too. Any HLS URL will do; a NAME is looked for at the
router. Some segments of each playlist are fetched; --all fetches every one, which the
rules about bit rates need. What lies in MPEG-TS, is encrypted, or has several tracks in
a file, is measured by its size alone. Exit code 1: a "must" is broken.`,
		Example: `  stratos check films/film
  stratos check --all https://router.example.net/films/film/master.m3u8
  stratos check https://example.org/live.m3u8 --json`,
		Args: exactly(1, "URL or NAME"),
	}
	cmd.Flags().BoolVar(&f.all, "all", false, "fetch every segment")
	cmd.Flags().IntVar(&f.sample, "sample", 3, "segments to fetch of each playlist")
	flags := c.addTarget(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.sample < 0 {
			return usage("--sample %d: want 0 or more", f.sample)
		}
		t, address, err := c.checkTarget(flags, args[0])
		if err != nil {
			return err
		}
		return c.runCheck(cmd.Context(), t, address, f)
	}
	return cmd
}

// checkTarget is where a stream's multivariant playlist is. A URL needs no
// network.
func (c *cli) checkTarget(flags *targetFlags, what string) (*target, string, error) {
	u, err := url.Parse(what)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		t, err := c.resolve(flags)
		if err != nil { // there is no network here
			t = new(target)
			if t.http, err = httpClient(flags.ca); err != nil {
				return nil, "", err
			}
		}
		for _, page := range []string{"/watch/", "/embed/"} {
			if rest, ok := strings.CutPrefix(u.Path, page); ok {
				u.Path = "/" + rest
			}
		}
		return t, u.String(), nil
	}
	t, err := c.resolve(flags)
	if err != nil {
		return nil, "", err
	}
	if t.router == "" {
		return nil, "", usage("a name is looked for at a router: give --router, or a URL")
	}
	return t, t.router + "/" + escape(strings.Trim(what, "/")), nil
}

func (c *cli) runCheck(ctx context.Context, t *target, address string, f checkFlags) error {
	s := newStream(t.http, f)
	if err := s.load(ctx, address); err != nil {
		return err
	}
	found := append(s.found, hls.Check(&s.Presentation)...)
	slices.SortStableFunc(found, func(a, b hls.Finding) int { return cmp.Compare(a.Severity, b.Severity) }) // must, should
	must := 0
	for _, finding := range found {
		if finding.Severity == hls.Must {
			must++
		}
	}
	if err := c.printBreaches(s, found, must); err != nil {
		return err
	}
	if must > 0 {
		return fail(exitFailed, "", fmt.Errorf("%d breaches of rules that must hold", must))
	}
	return nil
}

// printBreaches prints findings grouped by severity, then by what they say.
func (c *cli) printBreaches(s *stream, found []hls.Finding, must int) error {
	if c.json {
		w := json.NewEncoder(c.out)
		for _, finding := range found {
			if err := w.Encode(finding); err != nil {
				return err
			}
		}
		return w.Encode(map[string]any{
			"url": s.url, "variants": len(s.Multivariant.Variants), "renditions": len(s.Multivariant.Renditions),
			"playlists": len(s.Playlists), "segments": s.segments, "measured": s.measured, "must": must, "should": len(found) - must,
		})
	}
	var severity hls.Severity
	for _, group := range groupFindings(found) {
		if group.Severity != severity {
			severity = group.Severity
			color := "33"
			if severity == hls.Must {
				color = "31"
			}
			fmt.Fprintln(c.out, c.color(color, string(severity)))
		}
		fmt.Fprintf(c.out, "  %-8s %s\n", group.Rule, group.Message)
		for i, where := range group.where {
			if i == maxWhere {
				fmt.Fprintf(c.out, "           … and %d more\n", len(group.where)-i)
				break
			}
			fmt.Fprintf(c.out, "           %s\n", where)
		}
	}
	fmt.Fprintf(c.out, "%d variants, %d renditions, %d playlists; %d of %d segments measured; %d must, %d should\n",
		len(s.Multivariant.Variants), len(s.Multivariant.Renditions), len(s.Playlists), s.measured, s.segments, must, len(found)-must)
	return nil
}

// maxWhere is how many places of one finding are printed for people.
const maxWhere = 4

// findings are those that say the same of several places.
type findings struct {
	hls.Finding
	where []string
}

func groupFindings(found []hls.Finding) []*findings {
	var groups []*findings
	for _, f := range found {
		f.Message = shorten(f.Message)
		i := slices.IndexFunc(groups, func(g *findings) bool {
			return g.Rule == f.Rule && g.Severity == f.Severity && g.Message == f.Message
		})
		if i < 0 {
			i = len(groups)
			groups = append(groups, &findings{Finding: f})
		}
		if f.Where != "" {
			groups[i].where = append(groups[i].where, shorten(f.Where))
		}
	}
	return groups
}

var wholeURL = regexp.MustCompile(`https?://[^\s()"]+`)

// shorten leaves of each URL what people tell files apart by; tickets are long.
func shorten(text string) string {
	return wholeURL.ReplaceAllStringFunc(text, func(match string) string {
		u, err := url.Parse(match)
		if err != nil || strings.Count(u.Path, "/") < 5 {
			return match
		}
		dir, file := path.Split(u.Path)
		parts := strings.Split(strings.Trim(dir, "/"), "/")
		return u.Scheme + "://" + u.Host + "/…/" + strings.Join(append(parts[len(parts)-2:], file), "/")
	})
}
