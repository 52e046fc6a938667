package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// cli is what a command may touch: tests run commands in process with their own.
type cli struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	version  string

	// flags of every command
	dir     string
	json    bool
	quiet   bool
	noColor bool
}

// Exit codes; `stratos help exit-codes` prints them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitUnreachable = 4
	exitRefused     = 5
	exitCorrupt     = 6
)

// failure is an error with an exit code and what to do next.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func usage(format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...)}
}

func fail(code int, hint string, err error) error { return &failure{code: code, hint: hint, err: err} }

// run executes one command line and returns the exit code.
func (c *cli) run(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(args)
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var f *failure
	if !errors.As(err, &f) {
		// What cobra itself refuses (unknown command or flag, wrong arguments)
		// comes without a code, and so does what Caddy's commands return.
		f = &failure{code: exitFailed, err: err}
		if !c.started(root) {
			f.code = exitUsage
		}
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Fprintln(c.err, "stopped")
		return 130 // 128 + SIGINT, as shells count
	}
	if c.json {
		json.NewEncoder(c.err).Encode(map[string]any{"error": f.Error(), "hint": f.hint, "code": f.code})
		return f.code
	}
	fmt.Fprintln(c.err, "stratos: "+f.Error())
	if f.hint != "" {
		fmt.Fprintln(c.err, "  → "+f.hint)
	}
	return f.code
}

// started tells whether a command got as far as its own code.
func (c *cli) started(root *cobra.Command) bool { return root.Annotations["started"] == "yes" }

// print writes a value as JSON with --json, else as the text.
func (c *cli) print(value any, text string) error {
	if c.json {
		return json.NewEncoder(c.out).Encode(value)
	}
	_, err := fmt.Fprintln(c.out, text)
	return err
}

// note writes a message for people to standard error; data goes to standard
// output.
func (c *cli) note(format string, args ...any) {
	if !c.quiet && !c.json {
		fmt.Fprintf(c.err, format+"\n", args...)
	}
}

// terminal tells whether messages go to a terminal.
func (c *cli) terminal() bool {
	f, ok := c.err.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// color wraps text in an SGR code where people see colours.
func (c *cli) color(code, text string) string {
	if c.noColor || c.getenv("NO_COLOR") != "" || !c.terminal() {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
