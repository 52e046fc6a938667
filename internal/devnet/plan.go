package devnet

import (
	"fmt"
	"net"
	"net/url"
	"time"
)

// ChainID of every development network.
const ChainID = "stratos-dev"

// Plan says which network to make.
type Plan struct {
	// Dir holds everything of the network.
	Dir string
	// Edges to run, 1 to 200.
	Edges int
	// Redis is the URL of a Redis for the meta node's views; empty keeps them
	// embedded.
	Redis string
	// GeoIP databases for the router.
	GeoIP []string
	// Memory, Pinned and Cached are an edge's budgets in Caddy's size notation.
	Memory, Pinned, Cached string
	// Grace that removed content rests, as a duration; empty is the meta node's
	// default.
	Grace string
	// Workers is how many pieces of videos the origin encodes at a time: nil is
	// the origin's default, 0 leaves them to `stratos worker`.
	Workers *int
	// NoSandbox has the origin run ffmpeg unconfined where the system has no name
	// spaces.
	NoSandbox bool
}

// Validate says what is wrong with a plan, in a sentence.
func (p Plan) Validate() error {
	switch {
	case p.Dir == "":
		return fmt.Errorf("a network needs a folder: give --dir")
	case p.Edges < 1 || p.Edges > 200:
		return fmt.Errorf("--edges %d: a development network has 1 to 200 edges", p.Edges)
	}
	if p.Workers != nil && (*p.Workers < 0 || *p.Workers > 1024) {
		return fmt.Errorf("--workers %d: want 0 to 1024", *p.Workers)
	}
	if p.Grace != "" {
		if d, err := time.ParseDuration(p.Grace); err != nil || d <= 0 {
			return fmt.Errorf("--grace %q: want a duration above zero such as 30s or 168h", p.Grace)
		}
	}
	if p.Redis != "" {
		u, err := url.Parse(p.Redis)
		if err != nil || (u.Scheme != "redis" && u.Scheme != "rediss") || u.Host == "" {
			return fmt.Errorf("--redis %q: want redis://HOST:PORT/DB or rediss://…", p.Redis)
		}
	}
	return nil
}

// withDefaults fills what was left empty.
func (p Plan) withDefaults() Plan {
	for _, d := range []struct {
		field *string
		value string
	}{{&p.Memory, "64MiB"}, {&p.Pinned, "10GB"}, {&p.Cached, "1GB"}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	return p
}

// Replicas wanted by default: three, or all edges where there are fewer.
func (p Plan) Replicas() int { return min(3, p.Edges) }

// edgeIP is the loopback address of edge number i (from 0): 127.0.0.2 and on.
func edgeIP(i int) net.IP { return net.IPv4(127, 0, 0, byte(i+2)) }

// freePort finds a TCP and UDP port that is free on all the addresses now.
func freePort(ips ...net.IP) (int, error) {
	for range 50 {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ips[0]})
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		free := true
		for i, ip := range ips {
			if i > 0 && !canListen(ip, port) {
				free = false
			}
			if u, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip, Port: port}); err != nil {
				free = false
			} else {
				u.Close()
			}
		}
		l.Close()
		if free {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no port is free on all of %v", ips)
}

func canListen(ip net.IP, port int) bool {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ip, Port: port})
	if err != nil {
		return false
	}
	l.Close()
	return true
}
