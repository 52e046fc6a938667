package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stratos-mesh/stratos/internal/devnet"
)

// server is a process under load.
type server struct {
	name       string
	plain, tls string
	tickets    []string
	// h3 tells that it speaks HTTP/3 at its TLS address.
	h3 bool
	// pids whose CPU time counts: nginx works in children.
	pids func() []int
}

func (s *server) base(w workload) string {
	switch {
	case w.fresh && s.tickets == nil, w.h3 && !s.h3:
		return ""
	case w.tls:
		return s.tls
	}
	return s.plain
}

// cpuSeconds sums user and system time from /proc/PID/stat (proc(5), fields 14
// and 15, in ticks of 10 ms).
func (s *server) cpuSeconds() (float64, error) {
	var ticks int64
	for _, pid := range s.pids() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, f := range fields[11:13] {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, err
			}
			ticks += n
		}
	}
	return float64(ticks) / 100, nil
}

// startServers starts the network and the peers that are wanted; stop ends all
// that was started, also after an error.
func startServers(ctx context.Context, o options) (servers []*server, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range stops {
			s()
		}
	}
	edge, stopEdge, err := startEdge(ctx, o)
	stops = append(stops, stopEdge)
	if err != nil {
		return nil, stop, err
	}
	servers = append(servers, edge)
	cert, key := filepath.Join(o.dir, "net", "edge-1", "tls.crt"), filepath.Join(o.dir, "net", "edge-1", "tls.key")
	www := filepath.Join(o.dir, "www")
	launch := func(name string, ready string, cmd *exec.Cmd) (*os.Process, error) {
		log, err := os.Create(filepath.Join(o.dir, name+".log"))
		if err != nil {
			return nil, err
		}
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		stops = append(stops, func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() })
		return cmd.Process, waitFor(ctx, ready)
	}
	ports := make([]int, 9)
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return nil, stop, err
		}
	}
	// All listen on the first edge's address, which its certificate names.
	plain := func(i int) string { return fmt.Sprintf("http://127.0.0.2:%d", ports[i]) }
	secure := func(i int) string { return fmt.Sprintf("https://127.0.0.2:%d", ports[i]) }
	caddyfile := func(i int, directive string) string {
		return fmt.Sprintf("{\n admin off\n auto_https off\n}\n%s {\n %s\n}\n%s {\n tls %s %s\n %s\n}\n", plain(i), directive, secure(i+1), cert, key, directive)
	}
	runCaddy := func(name, program string, i int, directive, prefix string) error {
		path := filepath.Join(o.dir, name+".Caddyfile")
		if err := os.WriteFile(path, []byte(caddyfile(i, directive)), 0o644); err != nil {
			return err
		}
		cmd := exec.Command(program, "run", "--config", path, "--adapter", "caddyfile")
		p, err := launch(name, plain(i)+prefix+"/obj1.bin", cmd)
		if err != nil {
			return err
		}
		servers = append(servers, &server{name: name, plain: plain(i) + prefix, tls: secure(i+1) + prefix, h3: true, pids: func() []int { return []int{p.Pid} }})
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, stop, err
	}
	if wants(o, "memory") {
		if err := runCaddy("memory", self, 0, "bench_memory * "+www, ""); err != nil {
			return nil, stop, err
		}
	}
	if wants(o, "same-head") {
		_, prefix := split(edge.plain)
		if err := runCaddy("same-head", self, 7, "bench_memory * "+www+" same_head", prefix); err != nil {
			return nil, stop, err
		}
	}
	if wants(o, "file_server") {
		if err := runCaddy("file_server", o.stratos, 2, "root * "+www+"\n file_server", ""); err != nil {
			return nil, stop, err
		}
	}
	if wants(o, "nginx") || wants(o, "varnish") {
		path, err := writeNginxConf(o, ports[4], ports[5], cert, key, www)
		if err != nil {
			return nil, stop, err
		}
		p, err := launch("nginx", plain(4)+"/obj1.bin", exec.Command("/usr/sbin/nginx", "-c", path))
		if err != nil {
			return nil, stop, err
		}
		if wants(o, "nginx") {
			servers = append(servers, &server{name: "nginx", plain: plain(4), tls: secure(5), pids: func() []int { return family(p.Pid) }})
		}
	}
	if wants(o, "varnish") {
		vcl := filepath.Join(o.dir, "default.vcl")
		if err := os.WriteFile(vcl, fmt.Appendf(nil, "vcl 4.1; backend default { .host=\"127.0.0.2\"; .port=\"%d\"; }\n", ports[4]), 0o644); err != nil {
			return nil, stop, err
		}
		p, err := launch("varnish", plain(6)+"/obj1.bin", exec.Command("/usr/sbin/varnishd", "-F", "-a", fmt.Sprintf("127.0.0.2:%d", ports[6]),
			"-f", vcl, "-s", "malloc,1G", "-n", filepath.Join(o.dir, "varnish")))
		if err != nil {
			return nil, stop, err
		}
		servers = append(servers, &server{name: "varnish", plain: plain(6), pids: func() []int { return family(p.Pid) }})
	}
	return servers, stop, nil
}

func writeNginxConf(o options, plain, secure int, cert, key, www string) (string, error) {
	conf := fmt.Sprintf(`daemon off; user root; worker_processes auto; pid %[1]s/nginx.pid; error_log %[1]s/nginx.err;
events { worker_connections 4096; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000000; open_file_cache max=4000;
 server { listen 127.0.0.2:%[2]d reuseport; listen 127.0.0.2:%[3]d ssl http2;
  ssl_certificate %[4]s; ssl_certificate_key %[5]s; root %[6]s; } }`, o.dir, plain, secure, cert, key, www)
	path := filepath.Join(o.dir, "nginx.conf")
	return path, os.WriteFile(path, []byte(conf), 0o644)
}

// startNginx serves a folder and returns its URL.
func startNginx(ctx context.Context, o options, edge devnet.Edge, www string) (string, func(), error) {
	stop := func() {}
	plain, err := freePort()
	if err != nil {
		return "", stop, err
	}
	secure, err := freePort()
	if err != nil {
		return "", stop, err
	}
	path, err := writeNginxConf(o, plain, secure, filepath.Join(edge.Dir, "tls.crt"), filepath.Join(edge.Dir, "tls.key"), www)
	if err != nil {
		return "", stop, err
	}
	cmd := exec.Command("/usr/sbin/nginx", "-c", path)
	if err := cmd.Start(); err != nil {
		return "", stop, err
	}
	stop = func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() }
	if err := os.WriteFile(filepath.Join(www, "ready"), nil, 0o644); err != nil {
		return "", stop, err
	}
	base := fmt.Sprintf("http://127.0.0.2:%d", plain)
	return base, stop, waitFor(ctx, base+"/ready")
}

// startEdge brings a network with one edge up and publishes the files.
func startEdge(ctx context.Context, o options) (*server, func(), error) {
	dir := filepath.Join(o.dir, "net")
	stop := func() { exec.Command(o.stratos, "down", "--dir", dir).Run() }
	for _, args := range [][]string{
		{"up", "--dir", dir, "--edges", "1", "--memory", "512MiB", "--detach", "--quiet"},
		{"put", "--dir", dir, "--quiet", filepath.Join(o.dir, "www"), "bench/www"},
	} {
		if out, err := exec.CommandContext(ctx, o.stratos, args...).CombinedOutput(); err != nil {
			return nil, stop, fmt.Errorf("stratos %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	n, err := devnet.Load(dir)
	if err != nil {
		return nil, stop, err
	}
	s := &server{name: "stratos", h3: true, pids: func() []int { return []int{n.Edges[0].PID} }}
	for i := range 500 {
		ticketed, err := ticketedBase(ctx, n.Router, i)
		if err != nil {
			return nil, stop, err
		}
		_, prefix := split(ticketed)
		if i == 0 {
			s.plain, s.tls = n.Edges[0].URL+prefix, n.Edges[0].TLSURL+prefix
		}
		s.tickets = append(s.tickets, prefix)
	}
	return s, stop, s.warm(ctx)
}

// warm asks for every file once: like the handlers that it is compared with, the
// edge has all of them in memory then.
func (s *server) warm(ctx context.Context) error {
	ask := func(file string) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.plain+"/"+file, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	for i := range segments {
		if err := ask(fmt.Sprintf("seg%d.m4s", i)); err != nil {
			return err
		}
	}
	for i := range objects {
		if err := ask(fmt.Sprintf("obj%d.bin", i)); err != nil {
			return err
		}
	}
	return nil
}

// ticketedBase asks the router as client number i and returns the URL of the
// folder with its ticket.
func ticketedBase(ctx context.Context, router string, i int) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, router+"/bench/www/obj1.bin", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("198.18.%d.%d", i/250, 1+i%250))
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	resp.Body.Close()
	location := resp.Header.Get("Location")
	if base, ok := strings.CutSuffix(location, "/obj1.bin"); ok && resp.StatusCode == http.StatusTemporaryRedirect {
		return base, nil
	}
	return "", fmt.Errorf("router answered %s, Location %q", resp.Status, location)
}

// family is a process and its children.
func family(pid int) []int {
	out := []int{pid}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return out
	}
	for _, f := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(f); err == nil {
			out = append(out, child)
		}
	}
	return out
}

func waitFor(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", url, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
