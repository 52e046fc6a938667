package viewstoretest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is a redis-server of this test: on a free port of 127.0.0.1, in a
// folder of the test, without persistence unless asked for, and killed by the
// test's cleanup.
type Server struct {
	// Addr is host:port.
	Addr     string
	busPort  int
	sentinel string
	dir      string
	extra    []string
	command  *exec.Cmd
	ended    chan struct{} // closed when the process of command is gone
}

// URL is the server's address as viewstore.OpenRedis takes it.
func (s *Server) URL() string { return "redis://" + s.Addr }

// StartServer starts a Redis server. It fails the test when there is none on
// PATH. The arguments are added to the command line.
func StartServer(t testing.TB, arguments ...string) *Server {
	t.Helper()
	return startServer(t, "", arguments...)
}

// StartSentinel starts a sentinel with a configuration file that it may write.
func StartSentinel(t testing.TB, config string) *Server {
	t.Helper()
	return startServer(t, config)
}

func startServer(t testing.TB, sentinel string, arguments ...string) *Server {
	t.Helper()
	var err error
	for range 5 { // a port that was free may be taken by the time it is used
		s := &Server{dir: t.TempDir(), sentinel: sentinel, extra: arguments}
		var port int
		if port, err = freePort(); err != nil {
			continue
		}
		if s.busPort, err = freePort(); err != nil {
			continue
		}
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if err = s.start(t); err == nil {
			t.Cleanup(s.Kill)
			return s
		}
	}
	t.Fatalf("redis-server did not start: %v", err)
	return nil
}

func (s *Server) start(t testing.TB) error {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("this test needs a real redis-server on PATH; `make setup` installs it")
	}
	_, port, _ := net.SplitHostPort(s.Addr)
	var arguments []string
	if s.sentinel != "" {
		arguments = append(arguments, s.sentinel, "--sentinel")
	}
	arguments = append(arguments, "--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--loglevel", "notice")
	if s.sentinel == "" {
		arguments = append(arguments, "--save", "", "--appendonly", "no")
	}
	s.command = exec.Command(program, append(arguments, s.extra...)...)
	dieWithParent(s.command)
	output, err := s.command.StdoutPipe()
	if err != nil {
		return err
	}
	ready, ended := make(chan error, 1), make(chan struct{})
	s.ended = ended
	go func() {
		defer close(ended)
		// The thread that starts the server is the parent whose death it follows.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := s.command.Start(); err != nil {
			ready <- err
			return
		}
		lines, last := bufio.NewScanner(output), ""
		for lines.Scan() {
			last = lines.Text()
			if strings.Contains(last, "eady to accept connections") || strings.Contains(last, "Sentinel ID is") {
				ready <- nil
				io.Copy(io.Discard, output)
			}
		}
		s.command.Wait()
		select {
		case ready <- errors.New("it ended, its last words: " + last):
		default:
		}
	}()
	select {
	case err = <-ready:
	case <-time.After(10 * time.Second):
		err = errors.New("not ready after 10 s")
	}
	if err != nil {
		s.Kill()
	}
	return err
}

// Kill ends the server as a crash does, without a last snapshot.
func (s *Server) Kill() {
	if s.command == nil {
		return
	}
	if s.command.Process != nil {
		s.command.Process.Kill()
	}
	<-s.ended
	s.command = nil
}

// Restart starts a killed server again in the same folder on the same port.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill()
	if err := s.start(t); err != nil {
		t.Fatalf("redis-server did not start again: %v", err)
	}
}

// Client is a plain client for what a test does behind the store's back.
func (s *Server) Client(t testing.TB) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.Addr, DisableIdentity: true})
	t.Cleanup(func() { client.Close() })
	return client
}

// StartCluster starts three masters that share the slots of a cluster.
func StartCluster(t testing.TB) []*Server {
	t.Helper()
	const masters, slots = 3, 16384
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var servers []*Server
	for i := range masters {
		bus, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		s := StartServer(t, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
			"--cluster-node-timeout", "5000", "--cluster-port", strconv.Itoa(bus))
		s.busPort = bus
		client := s.Client(t)
		if err := client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			t.Fatal(err)
		}
		if err := client.ClusterAddSlotsRange(ctx, i*slots/masters, (i+1)*slots/masters-1).Err(); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			_, port, _ := net.SplitHostPort(servers[0].Addr)
			if err := client.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", port, servers[0].busPort).Err(); err != nil {
				t.Fatal(err)
			}
		}
		servers = append(servers, s)
	}
	for _, s := range servers {
		client := s.Client(t)
		for {
			info, err := client.ClusterInfo(ctx).Result()
			if err == nil && strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, fmt.Sprintf("cluster_slots_ok:%d", slots)) && strings.Contains(info, "cluster_known_nodes:3") {
				break
			}
			select {
			case <-ctx.Done():
				t.Fatalf("the Redis cluster did not come together: %v, %s", err, info)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return servers
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
