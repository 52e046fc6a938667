package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheExampleCaddyfilesAreUnderstood(t *testing.T) {
	files, err := filepath.Glob("../deploy/caddyfile/*.Caddyfile")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), program, "adapt", "--config", file, "--adapter", "caddyfile")
			cmd.Env = append(os.Environ(), "STRATOS_OPERATOR_KEY=1vMwsDePtaIJcHJLKQ9pL7v6Rup2cbWoGb997Kn1Ab0")
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "stratos_") {
				t.Errorf("adapt: %v\n%s", err, out)
			}
			if strings.Contains(string(out), "not formatted") {
				t.Errorf("`stratos fmt` would change it")
			}
		})
	}
}
