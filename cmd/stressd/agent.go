package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"tracehammer/vm/agent"
)

// serve is stressd agent. Standard output carries messages only: what else is printed goes to standard error.
func serve(ctx context.Context) error {
	if isTerminal(os.Stdin) && !agent.UnderInit() {
		return errors.New("agent: standard input is a terminal: it is stressd that starts an agent, by --target exec:COMMAND")
	}
	fd, err := unix.FcntlInt(os.Stdout.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err == nil {
		err = unix.Dup3(int(os.Stderr.Fd()), int(os.Stdout.Fd()), 0)
	}
	if err != nil {
		return fmt.Errorf("agent: keep standard output for messages: %w", err)
	}
	out := os.NewFile(uintptr(fd), "messages")
	defer out.Close()
	return agent.Serve(ctx, os.Stdin, out, agent.Options{Build: version(), Init: agent.UnderInit(), Window: agent.Window()})
}

const exitSignal = 128 // plus the signal's number

// interruptible returns a context that the first SIGINT or SIGTERM cancels, with the cause made of it; the second one ends the process at
// once, and with it every actor (they die with their parent).
func interruptible(cause func(syscall.Signal) error) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		for sig := range signals {
			s := sig.(syscall.Signal)
			if ctx.Err() != nil {
				os.Exit(exitSignal + int(s))
			}
			cancel(cause(s))
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" && os.Getenv("TERM") != ""
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "stressd (no build information)"
	}
	v := "stressd " + info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value
		}
	}
	return v + " " + info.GoVersion
}
