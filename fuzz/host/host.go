// Package host has the fuzz targets of what package stress/host does: scenarios on this machine's kernel, and what is read
// of its log. It is apart from package fuzz because the actors are Go assembly, and because a kernel is thousands of times
// slower than the engine. Like those, the targets belong to one goroutine.
package host

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/corpus"
	"tracehammer/fuzz/input"
	"tracehammer/fuzz/memory"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/host"
	"tracehammer/stress/oracle"
	"tracehammer/vm/console"
)

// runs is how often the kernel runs an input: in different orders, by delays drawn from the bytes of its schedule.
const runs = 3

// Unusable says why this machine cannot run scenarios, nil if it can. FuzzHost does nothing there.
func Unusable() error {
	_, err := open()
	return err
}

type machine struct {
	target *host.Target
	oracle *oracle.Oracle
	live   []int // rows of the list of known bugs that the seeds say this kernel has
	err    error
}

var this *machine

func open() (*machine, error) {
	if this == nil {
		t, err := host.New()
		this = &machine{target: t, err: err}
		if err == nil {
			this.oracle = oracle.New(t.Profile())
			this.oracle.Log = console.Complaint
			for _, s := range corpus.Seeds() {
				for _, k := range s.Known(here()) {
					if !slices.Contains(this.live, k.Row) {
						this.live = append(this.live, k.Row)
					}
				}
			}
		}
	}
	return this, this.err
}

// Close ends what FuzzHost started.
func Close() error {
	if this == nil || this.err != nil {
		return nil
	}
	err := this.target.Close()
	this = nil
	return err
}

// here is what conditions of scenarios are about.
func here() corpus.Machine {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return corpus.Machine{}
	}
	return corpus.Machine{Release: unix.ByteSliceToString(u.Release[:]), Arch: runtime.GOARCH, Root: !host.Profile().UserNamespace}
}

// Fits says whether a scenario is one for FuzzHost here: for this kernel, and without a known bug of it.
func Fits(s *corpus.Scenario) bool {
	return !s.EngineOnly() && s.RunsOn(here()) && len(s.Known(here())) == 0
}

// FuzzHost runs the scenario of an input of fuzz.FuzzPtrace's on this machine's kernel, a few times under delays drawn by
// the bytes of its decision stream, and asserts that the engine admits each history: the results of all calls, who ended
// where, what hangs, what the kernel logged.
//
// It asserts nothing of scenarios that are not for this kernel or have a known bug of it (Fits), of violations that the
// engine with a known bug of this kernel shows as well, of hangs that the engine predicts, of histories that the checker
// cannot decide, of runs that got no CPU, and on machines that permit no ptrace or no namespaces: see Unusable. What a
// kernel does wrong that nobody knew stops the fuzzer: stressd files such things, and goes on.
func FuzzHost(data []byte) int {
	m, err := open()
	if err != nil || len(data) > 1<<12 {
		return -1
	}
	in := input.Decode(data)
	s := in.Scenario
	if len(s.Body) == 0 || !Fits(s) {
		return -1
	}
	p := corpus.LowerValid(s)
	plan := stress.Plan{Seed: seed(in.Stream), Repeat: runs, Deadline: stress.DefaultDeadline}
	for _, d := range s.Delays() {
		plan.Delays = append(plan.Delays, stress.DelayRange{Lo: int64(d[0]), Hi: int64(d[1])})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	kept := 0
	err = m.target.Run(ctx, p, plan, func(h *history.History) bool {
		if h.Hang != nil && slices.ContainsFunc(h.Hang.Threads, func(t history.Thread) bool { return t.State == 'R' }) {
			return true // somebody could go on
		}
		v := m.oracle.Judge(p, h)
		if v.Kind.Finding() && !(v.Kind == oracle.Hang && v.Predicted) {
			if slices.Contains(m.live, m.oracle.Attribute(p, h, m.live)) {
				return true
			}
			panic(fmt.Sprintf("FuzzHost: %v: %s\n%s\n\n%s", v.Kind, v.Title, v.Explanation, s.Print()))
		}
		if v.Kind == oracle.Admitted {
			kept = 1
		}
		return true
	})
	var stuck *host.UnkillableError
	switch {
	case errors.As(err, &stuck):
		panic(fmt.Sprintf("FuzzHost: %v\n\n%s", err, s.Print()))
	case err != nil:
		return -1 // of the environment: no verdict
	}
	return kept
}

func seed(stream []byte) uint64 {
	n := uint64(1)
	for _, b := range stream {
		n = n*31 + uint64(b)
	}
	return n
}

// FuzzKernelLog reads bytes as a record of /dev/kmsg. It asserts that none makes the reader panic, that what it takes for a
// line of the kernel's is one line of the record's text, and that it takes nothing of user space's.
func FuzzKernelLog(data []byte) int { return memory.Bounded("FuzzKernelLog", kernelLog, data) }

func kernelLog(data []byte) int {
	record := string(data)
	line, ok := host.KernelLine(record)
	if !ok {
		return 0
	}
	head, text, _ := strings.Cut(record, ";")
	if !strings.HasPrefix(text, line) || strings.Contains(line, "\n") {
		panic(fmt.Sprintf("FuzzKernelLog: %q of %q", line, record))
	}
	var prio int
	if _, err := fmt.Sscanf(head, "%d", &prio); err != nil || prio>>3 != 0 {
		panic(fmt.Sprintf("FuzzKernelLog: %q is not the kernel's", record))
	}
	return 1
}
