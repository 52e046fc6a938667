package work

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// receive writes a request's body to a file and compares size and digest.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request, file File) func(*os.File) error {
	idle := h.Idle
	if idle == 0 {
		idle = time.Minute
	}
	return func(to *os.File) error {
		body := &moving{from: r.Body, control: http.NewResponseController(w), idle: idle}
		hash := sha256.New()
		n, err := io.Copy(io.MultiWriter(to, hash), io.LimitReader(body, file.Size+1))
		if err != nil {
			return fmt.Errorf("%w: the body broke off after %d bytes", ErrFile, n)
		}
		if got := hex.EncodeToString(hash.Sum(nil)); n != file.Size || got != file.SHA256 {
			return fmt.Errorf("%w: %d bytes with SHA-256 %s came, %d with %s were announced", ErrFile, n, got, file.Size, file.SHA256)
		}
		return nil
	}
}

// moving keeps a body's deadline ahead while it moves.
type moving struct {
	from    io.Reader
	control *http.ResponseController
	idle    time.Duration
	moved   time.Time
}

// Read implements io.Reader.
func (m *moving) Read(p []byte) (int, error) {
	if now := time.Now(); now.Sub(m.moved) > m.idle/8 {
		m.moved = now
		_ = m.control.SetReadDeadline(now.Add(m.idle)) // a recorder in tests has no deadlines
	}
	return m.from.Read(p)
}
