//go:build !agent

package main

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/stress/campaign"
)

type triageCmd struct {
	stateFlag
	jsonFlag
	For    time.Duration `default:"10s" help:"How long to minimise a finding, at most."`
	Target []string      `sep:"none" placeholder:"TARGET" help:"Of filed findings: try them there as well. Repeat it for several."`
	Kernel []string      `placeholder:"KERNEL" help:"Of filed findings: kernels, the oldest first, of which some may show it: targets, and after one of them @RELEASE or PATH for the same machine."`
	Times  int           `default:"1000" help:"Of filed findings: runs on a target, at most."`
	IDs    []string      `name:"id" placeholder:"ID" help:"Go through these findings, whatever their state is (default: all that are new)."`
	Bugs   []string      `name:"bug" placeholder:"BUG" help:"Of files: plant this bug in the engine, as stressd bugs lists them. Repeat it for several."`
	Paths  []string      `arg:"" optional:"" name:"path" help:"Files, or directories of them."`
}

func (triageCmd) Help() string {
	return `Without files, goes through the findings that are new, the oldest first: each is run again where it was found, made smaller if it was not minimal, tried on the other targets and on the kernels in their order. Then its state is reproducing, open (it did not show) or known (a row of the list of known bugs that the kernel is known to have), and a page says all of that. Where it does not show, so many runs were made that they miss it with a chance of 0.001, but at most --times. A fixed finding that shows is regressed. At a terminal it asks after each page what is to become of the finding; it never has to be answered.

With files, reads what fuzzers of scenarios leave: files of native Go fuzzing (testdata/fuzz/FuzzPtrace/...), go-fuzz crashers, raw files of libFuzzer, and scenario files (.scn). Each is run on the engine under the schedule that it holds; a scenario file under 2000 that are drawn. Every run is judged as in stressd run. What fails is made minimal, with a schedule that shows it each time, explained and filed; what is filed already is counted there.

Exit codes: 0 nothing new, 1 an input could not be read, 2 new findings in files, 3 no finding could be tried where it was found.

Examples:

    stressd triage
    stressd triage --target uml --kernel qemu:x86_64@bookworm,@trixie,./bzImage
    stressd triage --id 3f2a --target qemu:arm64 --json
    stressd triage fuzz/testdata/fuzz/FuzzPtrace
    stressd triage --state state crash-0123
    TRACEHAMMER_BUG=listen-error go test -fuzz FuzzChecker ./fuzz; stressd triage --bug listen-error fuzz/testdata/fuzz/FuzzChecker`
}

// Run implements kong's command.
func (t *triageCmd) Run(a *app) error {
	filed := len(t.Target)+len(t.Kernel)+len(t.IDs) > 0
	switch {
	case t.For <= 0:
		return errors.New("--for must be positive")
	case t.Times < 1:
		return errors.New("--times must be at least 1")
	case len(t.Paths) > 0 && filed:
		return errors.New("triage: --target, --kernel and --id are for filed findings, not for files: file these first")
	case len(t.Paths) > 0:
		return t.inputs(a)
	case len(t.Bugs) > 0:
		return errors.New("triage: --bug is for files, and none is named")
	}
	cfg := campaign.WalkConfig{IDs: t.IDs, Times: t.Times, Minimise: t.For, Reporter: a.reporter(t.JSON, campaign.WalkText{Out: a.out})}
	var err error
	if cfg.Targets, err = targets(t.Target); err != nil {
		return err
	}
	if cfg.Kernels, err = campaign.Kernels(t.Kernel); err != nil {
		return err
	}
	if cfg.State, err = t.dir(); err != nil {
		return err
	}
	if !t.JSON && terminal(os.Stdin) && terminal(os.Stdout) {
		cfg.Ask = (&campaign.Prompt{Ctx: a.ctx, In: os.Stdin, Out: a.out, State: cfg.State}).Ask
	}
	_, err = campaign.Walk(a.ctx, cfg)
	return err
}

// terminal says whether somebody can answer there; /dev/null, a character device too, does not.
func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil && isTerminal(f)
}

// inputs files what fuzzers found.
func (t *triageCmd) inputs(a *app) error {
	cfg := campaign.TriageConfig{Paths: t.Paths, Minimise: t.For, Reporter: a.reporter(t.JSON, campaign.TriageText{Out: a.out})}
	for _, name := range t.Bugs {
		b, err := parseBug(name)
		if err != nil {
			return err
		}
		cfg.Bugs = cfg.Bugs.Or(b.Set())
	}
	var err error
	if cfg.State, err = t.dir(); err != nil {
		return err
	}
	sum, err := campaign.RunTriage(a.ctx, cfg)
	unread := errors.Join(sum.Unread...)
	switch {
	case err != nil || sum.NewFindings == 0:
		return errors.Join(unread, err)
	case unread != nil:
		complain(unread)
	}
	return status(exitFindings)
}
