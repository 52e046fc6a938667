package edge

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// BenchmarkDelivery compares delivery, with ticket and metering, with a handler
// that only writes the same bytes from memory. Both run inside the same Caddy
// in this process; the client is a process of its own, so that the CPU time
// measured is the server's. They take turns, a batch each, and the medians are
// reported: edge-µs, trivial-µs, and ratio = trivial ÷ edge, which shall not be
// below 0.95. Run
//
//	go test -run xxx -bench Delivery -benchtime 1x ./edge
func BenchmarkDelivery(b *testing.B) {
	w := newWorld(b, 0)
	e := w.withCaddy(b, "", "bench_trivial")
	p := w.publish("acme/film", map[string][]byte{"s.m4s": trivialBodies.segment, "o.bin": trivialBodies.object}, e.testEdge)
	text := w.ticket(p, nil, e.testEdge)
	for _, transport := range []string{"h1", "tls", "h2"} {
		for _, file := range []string{"s.m4s", "o.bin"} {
			b.Run(transport+"/"+file, func(b *testing.B) {
				base, other := e.plain, e.other[0]
				if transport != "h1" {
					base, other = e.secure, e.other[1]
				}
				compare(b, transport, base+"/t/"+text+"/acme/film/"+file, other+"/"+file)
			})
		}
	}
}

// compare alternates between two URLs.
func compare(b *testing.B, transport, edge, trivial string) {
	batch, rounds := 4000, 25
	if strings.HasSuffix(edge, ".m4s") {
		batch = 60
	}
	clients := [2]*benchClient{startClient(b, transport, edge), startClient(b, transport, trivial)}
	var took [2][]float64
	for b.Loop() {
		for range rounds {
			for i, c := range clients {
				before := cpuTime()
				c.run(b, batch)
				took[i] = append(took[i], (cpuTime()-before)/float64(batch))
			}
		}
	}
	ratios := make([]float64, len(took[0]))
	for i := range ratios {
		ratios[i] = took[1][i] / took[0][i]
	}
	b.ReportMetric(median(took[0]), "edge-µs")
	b.ReportMetric(median(took[1]), "trivial-µs")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(0, "ns/op")
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

const (
	benchSegment = 2_000_000
	benchObject  = 10_000
)

// trivial is the ceiling for a Caddy handler.
type trivial struct{}

var trivialBodies = struct{ segment, object []byte }{content(1, benchSegment), content(2, benchObject)}

func (trivial) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.bench_trivial", New: func() caddy.Module { return new(trivial) }}
}

func (trivial) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	body := trivialBodies.segment
	if strings.HasSuffix(r.URL.Path, ".bin") {
		body = trivialBodies.object
	}
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, err := w.Write(body)
	return err
}

func init() {
	caddy.RegisterModule(trivial{})
	httpcaddyfile.RegisterHandlerDirective("bench_trivial", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return trivial{}, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("bench_trivial", httpcaddyfile.Before, "respond")
}

// cpuTime of this process in microseconds, user and system.
func cpuTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e3
}

// benchClient is a process that asks for one URL as often as it is told.
type benchClient struct {
	in  io.Writer
	out *bufio.Reader
}

const clientVariable = "STRATOS_BENCH_CLIENT"

func startClient(b *testing.B, transport, url string) *benchClient {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), clientVariable+"="+transport+" "+url, "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	c := &benchClient{in, bufio.NewReader(out)}
	c.run(b, 50)
	return c
}

func (c *benchClient) run(b *testing.B, n int) {
	if _, err := fmt.Fprintln(c.in, n); err != nil {
		b.Fatal(err)
	}
	if line, err := c.out.ReadString('\n'); err != nil || line != "ok\n" {
		b.Fatalf("client: %q %v", line, err)
	}
}

func TestMain(m *testing.M) {
	if order := os.Getenv(clientVariable); order != "" {
		transport, url, _ := strings.Cut(order, " ")
		if err := clientMain(transport, url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func clientMain(transport, url string) error {
	one, err := asker(transport, url)
	if err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		n, err := strconv.Atoi(in.Text())
		if err != nil {
			return err
		}
		for range n {
			if err := one(); err != nil {
				return err
			}
		}
		fmt.Println("ok")
	}
	return in.Err()
}

// asker returns a function that asks once, over a connection that stays.
func asker(transport, url string) (func() error, error) {
	insecure := &tls.Config{InsecureSkipVerify: true}
	buffer := make([]byte, 256<<10)
	if transport == "h2" {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: insecure, ForceAttemptHTTP2: true}}
		return func() error {
			response, err := client.Get(url)
			if err != nil {
				return err
			}
			if response.StatusCode != http.StatusOK {
				return fmt.Errorf("answer %s", response.Status)
			}
			_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, response.Body, buffer)
			_ = response.Body.Close()
			return err
		}, nil
	}
	_, rest, _ := strings.Cut(url, "://")
	host, path, _ := strings.Cut(rest, "/")
	var conn net.Conn
	var err error
	if transport == "tls" {
		insecure.NextProtos = []string{"http/1.1"}
		conn, err = tls.Dial("tcp", host, insecure)
	} else {
		conn, err = net.Dial("tcp", host)
	}
	if err != nil {
		return nil, err
	}
	request := []byte("GET /" + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
	reader := bufio.NewReaderSize(conn, len(buffer))
	return func() error {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		length := -1
		for first := true; ; first = false {
			line, err := reader.ReadSlice('\n')
			if err != nil {
				return err
			}
			if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
				return fmt.Errorf("answer %s", line)
			}
			if rest, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
				if length, err = strconv.Atoi(string(bytes.TrimSpace(rest))); err != nil {
					return err
				}
			}
			if len(line) == 2 {
				break
			}
		}
		_, err := reader.Discard(length)
		return err
	}, nil
}
