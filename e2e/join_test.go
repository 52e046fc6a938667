package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// insideNetwork marks the process that runs in a network of its own.
const insideNetwork = "STRATOS_E2E_INSIDE"

// TestJoiningGetsACertificateThatClientsTrust runs itself again in a network
// namespace: ACME dials ports 80 and 443, which belong to others out here, and
// the host name stands in a hosts file that only the namespace sees.
func TestJoiningGetsACertificateThatClientsTrust(t *testing.T) {
	if os.Getenv(insideNetwork) != "" {
		joinInside(t)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hosts := folderFile(t, "hosts", []byte("127.0.0.1 localhost\n127.0.0.78 edge.test\n"))
	script := `ip link set lo up && mount --bind "$0" /etc/hosts && exec "$1" -test.run '^TestJoiningGetsACertificateThatClientsTrust$' -test.v`
	cmd := exec.CommandContext(t.Context(), "unshare", "--map-root-user", "--net", "--mount", "sh", "-c", script, hosts, self)
	cmd.Env = append(os.Environ(), insideNetwork+"="+program)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("in a network namespace: %v\n%s", err, out)
	}
	t.Logf("inside:\n%s", out)
}

func joinInside(t *testing.T) {
	dir := t.TempDir()
	authority := filepath.Join(dir, "authority")
	caddy(t, authority, `{
	admin off
	storage file_system `+authority+`
	skip_install_trust
	http_port 8580
}
https://localhost:8543 {
	tls internal
	acme_server
}`)
	root := filepath.Join(authority, "pki", "authorities", "local", "root.crt")
	pool := x509.NewCertPool()
	eventually(t, 20*time.Second, "the certificate authority has a root", func() error {
		text, err := os.ReadFile(root)
		if err == nil && !pool.AppendCertsFromPEM(text) {
			err = fmt.Errorf("%s holds no certificate", root)
		}
		return err
	})
	operator := filepath.Join(dir, "operator.key")
	id := strings.TrimSpace(stratos(t, "keys", "node", operator))
	meta := "https://localhost:8600"
	// The same storage, so the same authority signs this server's certificate.
	caddy(t, filepath.Join(dir, "meta"), fmt.Sprintf(`{
	admin off
	auto_https disable_redirects
	skip_install_trust
	storage file_system `+authority+`
	stratos {
		dir %s
		meta %s
		ca `+root+`
	}
}
%s {
	tls internal
	stratos_meta {
		chain_id join-test
		authority 1
		operator %s
	}
}`, filepath.Join(dir, "meta"), meta, meta, id))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}}
	eventually(t, 20*time.Second, "the meta node is ready", func() error { return answers(client, meta+"/readyz") })
	for _, url := range []string{"https://edge.test", "https://127.0.0.77"} {
		edge := filepath.Join(dir, strings.TrimPrefix(url, "https://"))
		invitation := strings.TrimSpace(stratos(t, "edge", "invite", "--meta", meta, "--operator-key", operator, "--ca", root))
		args := []string{
			"edge", "join", "--dir", edge, "--meta", meta, "--invitation", invitation, "--url", url, "--region", "eu-test",
			"--operator", "somebody", "--ca", root, "--acme", "https://localhost:8543/acme/local/directory", "--acme-root", root,
		}
		if out, err := exec.Command(os.Getenv(insideNetwork), args...).CombinedOutput(); err == nil || !bytes.Contains(out, []byte("loopback")) {
			t.Fatalf("join without --allow-private: %v %s, want the reason why nobody reaches it", err, out)
		}
		stratos(t, append(args, "--allow-private", "--no-wait")...)
		stop := run(t, edge)
		eventually(t, time.Minute, url+" serves with a certificate that clients trust", func() error { return answers(client, url+"/readyz") })
		stop()
	}
}

// stratos runs a command of the program and returns its standard output.
func stratos(t *testing.T, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), os.Getenv(insideNetwork), args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("stratos %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out)
}

// caddy writes a Caddyfile into a folder and runs it until the test ends.
func caddy(t *testing.T, dir, config string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, dir)
}

// run starts the Caddyfile of a folder.
func run(t *testing.T, dir string) (stop func()) {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Getenv(insideNetwork), "run", "--config", filepath.Join(dir, "Caddyfile"), "--adapter", "caddyfile")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if !ended {
			ended = true
			cmd.Process.Signal(syscall.SIGTERM)
			cmd.Wait()
			log.Close()
		}
	}
	t.Cleanup(func() {
		stop()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("the log of %s:\n%s", dir, text[max(0, len(text)-4000):])
		}
	})
	return stop
}

func answers(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}
