//go:build agent

// Command stressd, built for machines (-tags agent), is an agent and nothing else. Machines are booted again and again, some at a
// hundredth of this one's speed, and what a program has but does not use takes time at each start.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"tracehammer/vm/agent"
)

func main() {
	if agent.IsInit() {
		agent.Init()
	}
	switch args := os.Args[1:]; {
	case slices.Equal(args, []string{"agent"}):
		os.Exit(run())
	case slices.Equal(args, []string{"--version"}):
		fmt.Println(version())
	default:
		fmt.Fprintln(os.Stderr, "stressd: this one was built for machines (-tags agent); it has --version, and agent, which a stressd starts: stressd run --target exec:COMMAND")
		os.Exit(1)
	}
}

// interrupted is the signal that ended an agent.
type interrupted syscall.Signal

func (i interrupted) Error() string { return syscall.Signal(i).String() }

// run serves until the messages end, or a signal comes.
func run() int {
	ctx, stop := interruptible(func(s syscall.Signal) error { return interrupted(s) })
	defer stop()
	err := serve(ctx)
	var i interrupted
	switch {
	case errors.As(context.Cause(ctx), &i):
		return exitSignal + int(i)
	case err != nil:
		fmt.Fprintf(os.Stderr, "stressd: %v\n", err)
		return 1
	}
	return 0
}
