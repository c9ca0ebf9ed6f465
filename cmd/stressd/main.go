//go:build !agent

// Command stressd races ptrace on kernels, checks what it sees against the engine, and files what it finds.
//
// It has no logic of its own: it parses the command line, opens what the commands need and maps what they return to exit
// codes. Campaigns, checks and reproduction are in stress/campaign.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"tracehammer/stress/campaign"
	"tracehammer/stress/history"
	"tracehammer/vm/agent"
)

// Exit codes; --help explains them.
const (
	exitOK         = 0
	exitError      = 1 // usage or internal
	exitFindings   = 2
	exitEnv        = 3
	exitSkipped    = 4
	exitRegression = 5
	exitCannotTell = 125 // repro: git bisect skips the commit
)

// status ends a command with an exit code and nothing more to say.
type status int

func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// app is what every command runs in.
type app struct {
	ctx      context.Context // done at the first signal; its cause is a campaign.Interrupted
	out, err io.Writer
	tty      bool // err is a terminal
}

func main() {
	if agent.IsInit() {
		agent.Init()
	}
	os.Exit(run(os.Args[1:]))
}

func run(args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			complain(fmt.Errorf("internal error: %v\n%s", r, debug.Stack()))
			code = exitError
		}
	}()
	var c cli
	parser := kong.Must(&c, kong.Name("stressd"), kong.Description(description), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{NoExpandSubcommands: true, WrapUpperBound: 110, NoAppDescFormat: true}),
		kong.Vars{"version": version()})
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		complain(fmt.Errorf("%w (see stressd --help)", err))
		return exitError
	}
	ctx, stop := interruptible(func(s syscall.Signal) error { return campaign.Interrupted{Signal: s} })
	defer stop()
	return exitCode(command.Run(&app{ctx: ctx, out: os.Stdout, err: os.Stderr, tty: isTerminal(os.Stderr)}))
}

// exitCode maps what a command returned, and says on stderr what a person must know.
func exitCode(err error) int {
	var s status
	var i campaign.Interrupted
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &s):
		return int(s)
	case errors.As(err, &i):
		return exitSignal + int(i.Signal)
	}
	complain(err)
	if campaign.CannotRun(err) {
		return exitEnv
	}
	return exitError
}

// complain writes "stressd: what, where, what to do" on stderr, one line for each error joined in err. File names in it are
// anybody's.
func complain(err error) {
	for l := range strings.Lines(strings.ReplaceAll(err.Error(), "\t", "    ")) { // stacks have tabs
		fmt.Fprintf(os.Stderr, "stressd: %s\n", history.Printable(strings.TrimRight(l, "\n")))
	}
}
