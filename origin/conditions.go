package origin

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
)

// conditions under which a name may be changed (RFC 9110, section 13).
type conditions struct{ match, noneMatch string }

func parseConditions(h http.Header) conditions {
	return conditions{match: strings.Join(h.Values("If-Match"), ","), noneMatch: strings.Join(h.Values("If-None-Match"), ",")}
}

// hold checks the conditions against the newest record of a name, nil when it
// has none.
func (c conditions) hold(record *meta.Record) error {
	if c.match != "" && (record == nil || !listed(c.match, etag(record.Root))) {
		return httperr.New(http.StatusPreconditionFailed, "if-match", "the name does not have the version that If-Match asks for")
	}
	if c.noneMatch != "" && record != nil && listed(c.noneMatch, etag(record.Root)) {
		return httperr.New(http.StatusPreconditionFailed, "if-none-match", "the name exists already, with root "+record.Root.String())
	}
	return nil
}

// listed tells whether a list of entity tags has one. A weak tag never matches
// in a strong comparison, and ours are all strong.
func listed(list, tag string) bool {
	for t := range strings.SplitSeq(list, ",") {
		if t = strings.TrimSpace(t); t == "*" || t == tag {
			return true
		}
	}
	return false
}

// newest returns the record of exactly this name, nil when there is none.
func (o *Origin) newest(ctx context.Context, name meta.Name) (*meta.Record, error) {
	found, err := o.config().Meta.Resolve(ctx, string(name))
	if errors.Is(err, meta.ErrNotFound) || errors.Is(err, meta.ErrDeleted) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if found.Record.Name != name {
		return nil, nil // a bundle above it; publishing says so
	}
	return &found.Record, nil
}
