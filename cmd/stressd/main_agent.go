//go:build agent

// Command stressd, built for machines (-tags agent), is an agent and nothing else. Machines are booted again and again, some at a
// hundredth of this one's speed, and what a program has but does not use takes time at each start.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
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

// run serves until the messages end, or a signal comes.
func run() int {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	code := make(chan int, 1)
	go func() {
		for sig := range signals {
			select {
			case code <- 128 + int(sig.(syscall.Signal)):
				cancel()
			default: // the second one
				os.Exit(128 + int(sig.(syscall.Signal)))
			}
		}
	}()
	err := serve(ctx)
	select {
	case c := <-code:
		return c
	default:
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "stressd: %v\n", err)
		return 1
	}
	return 0
}
