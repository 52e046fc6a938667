package origin

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// logged is a server's error log.
type logged struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// watchedServer serves an origin and fails the test when a request panicked:
// net/http does so in the connection's own goroutine ("invalid concurrent
// Body.Read call") when a body is still read as the next request begins.
func watchedServer(t *testing.T, b *bench) string {
	t.Helper()
	l := &logged{}
	s := httptest.NewUnstartedServer(b.origin)
	s.Config.ErrorLog = log.New(l, "", 0)
	s.Start()
	t.Cleanup(func() {
		s.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		if strings.Contains(l.text.String(), "panic") {
			t.Errorf("the server said: %.4000s", l.text.String())
		}
	})
	return s.Listener.Addr().String()
}

// slowly sends a request whose body stops after a part, waits, and sends the
// rest with another request behind it.
func slowly(addr, head string, body []byte, part int, wait <-chan struct{}) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	fmt.Fprintf(conn, "%s\r\nHost: x\r\nContent-Length: %d\r\n\r\n", head, len(body))
	conn.Write(body[:part])
	<-wait
	conn.Write(body[part:])
	io.WriteString(conn, "OPTIONS /v1/uploads HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	io.Copy(io.Discard, conn) // until the server closes, with an error or not
	return nil
}

func TestAnAnswerBeforeTheBodyIsReadLeavesNoReaderBehind(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	addr := watchedServer(t, b)
	auth := "\r\nAuthorization: Bearer " + b.token
	heads := []string{
		"PUT /v1/files/demo/a HTTP/1.1\r\nAuthorization: Bearer forged",
		"PUT /v1/files/demo/a HTTP/1.1\r\nExpect: 100-continue\r\nAuthorization: Bearer forged",
		"PUT /v1/files/demo/../a HTTP/1.1" + auth,
		"PUT /v1/files/demo/a HTTP/1.1\r\nContent-Digest: sha-256=:x:" + auth,
		"PATCH /v1/uploads/00000000000000000000000000000000 HTTP/1.1\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream" + auth,
		"POST /v1/bundles HTTP/1.1" + auth,
		"PUT /v1/bundles/none/files/a HTTP/1.1" + auth,
	}
	var wait sync.WaitGroup
	for i, head := range heads {
		for _, size := range []int{10, 5000, 200 << 10, 400 << 10} {
			for _, part := range []int{0, size / 2, size - 1} {
				wait.Go(func() {
					later := make(chan struct{})
					time.AfterFunc(time.Duration(rand.IntN(20))*time.Millisecond, func() { close(later) })
					if err := slowly(addr, head, content(size), part, later); err != nil {
						t.Errorf("request %d: %v", i, err)
					}
				})
			}
		}
	}
	wait.Wait()
}

func TestAnUploadThatIsTakenOverLeavesNoReaderBehind(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	addr := watchedServer(t, b)
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() {
			data := content(5000 + i)
			made, err := b.try("POST", b.server.URL+"/v1/uploads", nil, tus, fmt.Sprintf("Upload-Length: %d", len(data)), metadata("name", fmt.Sprintf("demo/taken-%d", i)))
			if err != nil || made.StatusCode != http.StatusCreated {
				t.Errorf("create: %v", err)
				return
			}
			path := made.Header.Get("Location")
			path = path[strings.Index(path, "/v1/"):]
			taken := make(chan struct{})
			wait.Go(func() {
				head := "PATCH " + path + " HTTP/1.1\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nAuthorization: Bearer " + b.token
				if err := slowly(addr, head, data, len(data)/2, taken); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond) // before, while and after it reads
			go func() {
				time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
				close(taken)
			}()
			a, err := b.try("HEAD", "http://"+addr+path, nil, tus)
			if err != nil || a.StatusCode != http.StatusOK {
				t.Errorf("HEAD of an upload that another request holds: %v %v", a.StatusCode, err)
			}
		})
	}
	wait.Wait()
}
