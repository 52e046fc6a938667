package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSetupOnABareMachine runs scripts/setup.sh where only some programs exist:
// each is a stand-in that says how it was called.
func TestSetupOnABareMachine(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	everything := strings.Fields("redis-server redis-cli ip unshare ffmpeg ffprobe chromium node npm")
	root, user := "echo 0", "echo 1000"
	for name, c := range map[string]struct {
		purpose  string
		programs []string
		id       string
		apt      string // what apt-get does
		code     int
		says     string
		calls    []string
	}{
		"nothing is missing":                     {"test", append([]string{"go"}, everything...), user, "", 0, "", nil},
		"Go is missing":                          {"test", everything, root, "", 1, "https://go.dev/doc/install", nil},
		"a purpose that does not exist":          {"fly", []string{"go"}, root, "", 2, "test, bench or proto", nil},
		"no apt-get, so people must":             {"test", []string{"go", "ip", "node", "npm"}, root, "none", 1, "yourself: redis-server redis-tools util-linux ffmpeg chromium", nil},
		"neither root nor sudo":                  {"proto", []string{"go"}, user, "", 1, "run as root, or install sudo", nil},
		"as root":                                {"proto", []string{"go"}, root, "", 0, "installing protobuf-compiler", []string{"apt-get update -qq", "apt-get install -y -qq --no-install-recommends protobuf-compiler"}},
		"as a user with sudo":                    {"proto", []string{"go", "sudo"}, user, "", 0, "installing protobuf-compiler", []string{"sudo apt-get update -qq", "sudo apt-get install -y -qq --no-install-recommends protobuf-compiler"}},
		"one package for two programs, once":     {"test", []string{"go", "redis-server", "redis-cli", "ip", "unshare", "chromium", "npm"}, root, "", 0, "installing ffmpeg nodejs\n", []string{"apt-get update -qq", "apt-get install -y -qq --no-install-recommends ffmpeg nodejs"}},
		"all of them":                            {"test", []string{"go", "ip"}, root, "", 0, "installing redis-server redis-tools util-linux ffmpeg chromium nodejs npm\n", []string{"apt-get update -qq", "apt-get install -y -qq --no-install-recommends redis-server redis-tools util-linux ffmpeg chromium nodejs npm"}},
		"apt-get fails: so does setup, and tidy": {"proto", []string{"go"}, root, "exit 100", 100, "installing protobuf-compiler", []string{"apt-get update -qq"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bin := t.TempDir()
			log := filepath.Join(bin, "log")
			program := func(name, does string) {
				text := "#!" + bash + "\necho \"${0##*/} $*\" >> " + log + "\n" + does + "\n"
				if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range c.programs {
				program(p, ":")
			}
			program("id", c.id)
			// What keeps packages' services from starting is written to the machine:
			// not here.
			for _, p := range []string{"tee", "chmod", "rm"} {
				program(p, ":")
			}
			if c.apt != "none" {
				program("apt-get", c.apt)
			}
			cmd := exec.Command(bash, "../scripts/setup.sh", c.purpose)
			cmd.Env = []string{"PATH=" + bin}
			out, err := cmd.CombinedOutput()
			if got := cmd.ProcessState.ExitCode(); got != c.code || !strings.Contains(string(out), c.says) {
				t.Errorf("code %d, want %d; it said %q, want %q (%v)", got, c.code, out, c.says, err)
			}
			text, _ := os.ReadFile(log)
			var calls []string
			for line := range strings.Lines(string(text)) {
				if line = strings.TrimSpace(line); strings.Contains(line, "apt-get") && !strings.HasPrefix(line, "echo") {
					calls = append(calls, line)
				}
			}
			if strings.Join(calls, "\n") != strings.Join(c.calls, "\n") {
				t.Errorf("it called\n%s\nwant\n%s", strings.Join(calls, "\n"), strings.Join(c.calls, "\n"))
			}
		})
	}
}
