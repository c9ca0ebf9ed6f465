package campaign

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/host"
	"tracehammer/vm"
	"tracehammer/vm/console"
	"tracehammer/vm/wire"
)

// TestLostVerdict: what the loss of a machine says about its kernel, and when it says nothing.
func TestLostVerdict(t *testing.T) {
	report := &console.Report{Title: "panic: test"}
	for want, losses := range map[string][]vm.LostError{
		"console: panic: test":                            {{Machine: true, Report: report}, {Report: report}, {Machine: true, Killed: true, Report: report}},
		"invariant: the kernel died without a word":       {{Machine: true, Died: true}},
		"invariant: the machine does not answer any more": {{Machine: true, Loss: vm.Silent}},
		"invariant: the machine does not end a plan":      {{Machine: true, Loss: vm.Endless}},
		"": {{Machine: true}, {Machine: true, Killed: true, Loss: vm.Silent}, {Machine: true, Loss: vm.Garbled}, {Loss: vm.Silent}, {Died: true}},
	} {
		for _, l := range losses {
			if v, is := lostVerdict(&l); v.Title != want && is || is != (want != "") || is && !v.Kind.Finding() {
				t.Errorf("%+v: %q, %v", l, v.Title, is)
			}
		}
	}
}

// loser is a kernel on which each run ends with the next error.
type loser struct {
	stress.Target
	errs *[]error
}

func (l loser) Name() string            { return "host" }
func (l loser) Machine() stress.Machine { return host.Kernel() }
func (l loser) Close() error            { return nil }
func (l loser) Run(_ context.Context, p *engine.Program, _ stress.Plan, _ func(*history.History) bool) error {
	err := (*l.errs)[0]
	*l.errs = append((*l.errs)[1:], err)
	return err
}

// TestLostMachines: a campaign goes on when machines are lost, and when actors there must not run a variation. What is a finding is filed, the
// rest is counted; and a machine that is always lost ends it.
func TestLostMachines(t *testing.T) {
	scenarios, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	panicked := &vm.LostError{Name: "x", Machine: true, Report: &console.Report{Title: "panic: test"}}
	killed := &vm.LostError{Name: "x", Machine: true, Killed: true, How: "killed"}
	unkillable := (&wire.Fault{Kind: wire.FaultUnkillable, Text: "somebody survives"}).Err("x")
	refused := (&wire.Fault{Kind: wire.FaultProgram, Text: "actors that may trace each other hold each other"}).Err("x")
	var events strings.Builder
	run := func(errs ...error) (Summary, error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		turns := 0
		events.Reset()
		return Run(ctx, Config{Targets: []string{"host"}, Scenarios: scenarios[:3], Workers: 1, State: t.TempDir(), Reporter: JSON{&events},
			Open: func(context.Context, string) (stress.Target, error) {
				return stopping{loser{stress.NewEngineTarget(engine.Options{}), &errs}, &turns, cancel}, nil
			}})
	}
	sum, err := run(panicked, killed, refused, unkillable, killed)
	if err != nil || sum.Findings != 2 || sum.PerTarget[0].Lost == 0 || !strings.Contains(events.String(), `"event":"lost"`) {
		t.Errorf("%+v, %v\n%s", sum, err, events.String())
	}
	for _, title := range []string{"console: panic: test", "invariant: SIGKILL does not end an actor"} {
		if !strings.Contains(events.String(), title) {
			t.Errorf("%s is not filed\n%s", title, events.String())
		}
	}
	var lost *vm.LostError
	if _, err := run(killed); !errors.As(err, &lost) {
		t.Errorf("a machine that is always lost: %v", err)
	}
}

// TestLostStart: a machine that was there when it was probed, and dies while it is started for the minimiser, is counted and started again; what it was
// wanted for is filed. One that always dies is an error of the environment.
func TestLostStart(t *testing.T) {
	gone := &stress.EnvError{What: "engine does not answer", Err: &vm.LostError{Name: "engine", Machine: true, Killed: true, How: "signal: segmentation fault"}}
	for dies, lost := range map[int]uint64{2: 2, maxLost: maxLost - 1} {
		opened := 0
		open := func(context.Context, string) (stress.Target, error) {
			if opened++; opened > 2 && opened <= 2+dies { // after the probe and the worker
				return nil, gone
			}
			return stress.NewEngineTarget(engine.Options{Bugs: engine.BugListenError.Set()}), nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var events strings.Builder
		sum, err := Run(ctx, Config{Targets: []string{"engine"}, Scenarios: []*corpus.Scenario{corpustest.Seed(t, "listen-errors")}, Seed: 1, Workers: 1, State: t.TempDir(), Open: open,
			For: 2 * time.Second, Reporter: JSON{&events}})
		if env := (*stress.EnvError)(nil); errors.As(err, &env) != (dies == maxLost) || (sum.Findings > 0) == (dies == maxLost) || sum.PerTarget[0].Lost != lost {
			t.Errorf("%d times: %d findings, lost %d times, %v\n%s", dies, sum.Findings, sum.PerTarget[0].Lost, err, events.String())
		}
	}
}

// stopping ends a campaign after some turns.
type stopping struct {
	loser
	turns  *int
	cancel func()
}

func (s stopping) Run(ctx context.Context, p *engine.Program, plan stress.Plan, yield func(*history.History) bool) error {
	if *s.turns++; *s.turns > 40 {
		s.cancel()
	}
	return s.loser.Run(ctx, p, plan, yield)
}

// TestCandidates: a candidate of the minimiser that loses the machine, or that actors must not run, shows nothing; what else is wrong ends it.
func TestCandidates(t *testing.T) {
	s := corpus.Seeds()[0]
	other := errors.New("a full disk")
	for _, err := range []error{&vm.LostError{Name: "x", Killed: true}, &stress.ProgramError{Err: errors.New("they hold each other")}, other} {
		target := loser{stress.NewEngineTarget(engine.Options{}), &[]error{err}}
		c := checker{&runner{target: target, oracle: newOracle(engine.Profile{})}}
		trial, got := c.Run(t.Context(), s, stress.Plan{}, &crashers.Finding{}, 1)
		if want := map[bool]error{true: other}[err == other]; got != want || trial.Hits != 0 {
			t.Errorf("%v: %+v, %v", err, trial, got)
		}
	}
}

// booted is a machine as far as a campaign knows them apart.
type booted struct {
	stress.Target
	closed *bool
}

func (b booted) Starts() (boots, restores int) { return 1, 2 }
func (b booted) Close() error                  { *b.closed = true; return nil }

// TestIdleMachines: the minimiser keeps no machine while nothing waits for it.
func TestIdleMachines(t *testing.T) {
	c := &campaign{board: newBoard(), sightings: make(chan *sighting, 1)}
	closed := false
	open := func(context.Context, string) (stress.Target, error) {
		return booted{stress.NewEngineTarget(engine.Options{}), &closed}, nil
	}
	runners := map[string]*runner{"engine": {target: stress.NewEngineTarget(engine.Options{})}}
	r, err := newRunner(t.Context(), open, "uml")
	if err != nil {
		t.Fatal(err)
	}
	runners["uml"] = r
	c.sightings <- &sighting{}
	if err := c.endIdle(runners); err != nil || closed || len(runners) != 2 {
		t.Errorf("with work: %v, closed %v, %d runners", err, closed, len(runners))
	}
	<-c.sightings
	if err := c.endIdle(runners); err != nil || !closed || len(runners) != 1 || runners["engine"] == nil {
		t.Errorf("without: %v, closed %v, %d runners", err, closed, len(runners))
	}
}
