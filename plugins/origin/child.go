package caddyorigin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/stratos-mesh/stratos/origin/work"
	"github.com/stratos-mesh/stratos/transcode"
	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// The origin's own worker is this program again, as a child: what a source does
// to the code that cuts and measures it, it does not do to the origin.
const childName = "stratos-origin-worker"

// child is what a child is told, as JSON on its standard input. It ends when
// that does, so that it never outlives the origin.
type child struct {
	Origin, Dir string
	Jobs        int
	Sandbox     sandbox.Config
}

// childMain turns this process into the worker when it was started for that,
// and otherwise returns at once.
func childMain() {
	if os.Args[0] != childName {
		return
	}
	signal.Ignore(os.Interrupt) // of a terminal, which the origin hears too
	if err := beChild(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// beChild works until the input ends.
func beChild(from io.Reader) error {
	in := bufio.NewReader(from)
	var c child
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &c)
	}
	if err != nil {
		return fmt.Errorf("what to do: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	box, err := sandbox.Open(ctx, c.Sandbox)
	if err != nil {
		return err
	}
	err = work.Run(ctx, work.Config{
		Origin: c.Origin, Dir: c.Dir, Jobs: c.Jobs, Name: "the origin's own", Encode: transcode.Encode, Box: box,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// childGrace is how long a child may take to end.
const childGrace = 5 * time.Second

// runChild runs a worker in a process of its own until ctx ends or it does.
func runChild(ctx context.Context, c child, log *slog.Logger) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	what, err := json.Marshal(c)
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Args = []string{childName}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	said, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	defer context.AfterFunc(ctx, func() {
		_ = in.Close()
		time.AfterFunc(childGrace, func() { _ = cmd.Process.Kill() }) // of one that has ended it does nothing
	})()
	if _, err := in.Write(append(what, '\n')); err != nil {
		_ = in.Close()
	}
	last := ""
	lines := bufio.NewScanner(said)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		last = lines.Text()
		log.Info("worker", "said", last)
	}
	_, _ = io.Copy(io.Discard, said) // a line that was too long
	if err := cmd.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %s", err, last)
	}
	if ctx.Err() == nil {
		return errors.New("the worker ended by itself: " + last)
	}
	return ctx.Err()
}
