package campaign

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/oracle"
	"tracehammer/vm"
)

// maxLost is how many turns in a row, or starts, may lose the machine before the campaign gives up on it.
const maxLost = 5

// Lost says that a target was lost under a scenario, or while it started, in a way that says nothing about its kernel.
type Lost struct {
	Target   string `json:"target"`
	Scenario string `json:"scenario,omitempty"` // none: it started
	How      string `json:"how"`
}

// EventName implements Event.
func (Lost) EventName() string { return "lost" }

// Console is the last of what a machine says besides messages, when there is more than before.
type Console struct {
	Target string   `json:"target"`
	Worker int      `json:"worker"` // whose machine it is
	Lines  []string `json:"lines"`  // anybody's text
}

// EventName implements Event.
func (Console) EventName() string { return "console" }

// start opens a team's target once more. When it was probed it did start: an emulator that dies of itself this time is counted, and started again.
func (c *campaign) start(ctx context.Context, tm *team, open Opener) (*runner, error) {
	for lost := 1; ; lost++ {
		r, err := newRunner(ctx, open, tm.name)
		gone := (*vm.LostError)(nil)
		if err == nil || ctx.Err() != nil || !errors.As(err, &gone) || gone.Report != nil || lost == maxLost {
			return r, err
		}
		c.out.report(Lost{Target: tm.name, How: gone.Error()})
		c.board.add(tm.count, &tally{lost: 1})
	}
}

const (
	consoleEvery = 2 * time.Second
	consoleLines = 40
)

// listener tells what a worker's machine says.
type listener struct {
	worker int
	told   string
	at     time.Time
}

// listen reports the machine's console if there is news, and some time has passed since the last.
func (l *listener) listen(out *serial, name string, t stress.Target) {
	m, is := t.(interface{ Console(lines int) []string })
	if !is || time.Since(l.at) < consoleEvery {
		return
	}
	l.at = time.Now()
	lines := m.Console(consoleLines)
	if now := strings.Join(lines, "\n"); now != l.told {
		l.told = now
		out.report(Console{Target: name, Worker: l.worker, Lines: lines})
	}
}

// lostVerdict judges the loss of a machine: a report on its console, a kernel that died without one or does not answer any more
// is a finding. That somebody killed it is none, nor what a command does that anything else may have ended.
func lostVerdict(e *vm.LostError) (v verdict, is bool) {
	v.Verdict = oracle.Verdict{Kind: oracle.Invariant, Actor: engine.NoActor, Instr: -1}
	switch {
	case e.Report != nil:
		v.Kind, v.Title = oracle.Console, "console: "+e.Report.Title
	case !e.Machine || e.Killed:
		return v, false
	case e.Loss == vm.Ended && e.Died:
		v.Title = "invariant: the kernel died without a word"
	case e.Loss == vm.Silent:
		v.Title = "invariant: the machine does not answer any more"
	case e.Loss == vm.Endless:
		v.Title = "invariant: the machine does not end a plan"
	default:
		return v, false
	}
	v.Explanation = fmt.Sprintf("%v\n%s", e, strings.Join(e.Console, "\n"))
	return v, true
}
