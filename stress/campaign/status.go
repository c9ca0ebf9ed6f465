package campaign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"tracehammer/crashers"
	"tracehammer/stress/history"
)

// statusFile of a state directory says how the campaign does that runs, or ran last.
const statusFile = "status.json"

// statusEvery is how old it becomes.
const statusEvery = 5 * time.Second

// RunStatus is how a campaign does.
type RunStatus struct {
	Written time.Time `json:"written"`
	PID     int       `json:"pid"` // of the stressd that runs it, or ran it
	State   RunState  `json:"state"`
	Start   Start     `json:"start"`
	Progress
	Skipped []Skip   `json:"skipped,omitempty"` // the first few
	Last    []Found  `json:"last,omitempty"`    // the last few findings, newest first; without their scenarios
	Summary *Summary `json:"summary,omitempty"` // of one that ended
}

// EventName implements Event.
func (*RunStatus) EventName() string { return "status" }

// RunState is what a campaign's process does.
type RunState string

// States of a campaign. A file never says killed: it is what running turns into when nobody holds the state directory.
const (
	Running RunState = "running"
	Stopped RunState = "stopped" // it can go on
	Ended   RunState = "ended"
	Killed  RunState = "killed" // it can go on
)

const (
	statusFindings = 5
	statusSkips    = 20
)

// statusReporter keeps the file of a campaign's status. The file is replaced and not synced: after a power loss it is an older one.
type statusReporter struct {
	write func([]byte) error
	s     RunStatus
}

// Report implements Reporter.
func (r *statusReporter) Report(e Event) error {
	now := time.Now()
	switch e := e.(type) {
	case Start:
		r.s.Start, r.s.State, r.s.PID = e, Running, os.Getpid()
	case Skip:
		if len(r.s.Skipped) < statusSkips {
			r.s.Skipped = append(r.s.Skipped, e)
		}
		return nil
	case Found:
		e.Scenario, e.Explanation, e.Schedule = "", "", ""
		r.s.Last = append([]Found{e}, r.s.Last[:min(len(r.s.Last), statusFindings-1)]...)
		return nil
	case Progress:
		r.s.Progress = e
		if now.Sub(r.s.Written) < statusEvery {
			return nil
		}
	case Summary:
		r.s.State, r.s.Summary = Ended, &e
		if e.Interrupted != "" {
			r.s.State = Stopped
		}
	default:
		return nil
	}
	r.s.Written = now.UTC()
	var b strings.Builder
	if err := WriteJSON(&b, r.s.EventName(), &r.s); err != nil {
		return err
	}
	return r.write([]byte(b.String()))
}

// ReadStatus says how the campaign of a state directory does.
func ReadStatus(state string) (*RunStatus, error) {
	r, err := crashers.OpenReader(state)
	if err != nil {
		return nil, err
	}
	b, err := r.Saved(statusFile, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("status: no campaign has run in %s", history.Printable(state))
	}
	if err != nil {
		return nil, err
	}
	var s RunStatus
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("status: %s of %s: %s", statusFile, history.Printable(state), history.Printable(err.Error()))
	}
	if s.State == Running {
		if held, err := r.Locked(); err != nil {
			return nil, err
		} else if !held {
			s.State = Killed
		}
	}
	return &s, nil
}

// Text shows a status to people.
func (s *RunStatus) Text(w io.Writer) error {
	var b strings.Builder
	age := time.Since(s.Written).Round(time.Second)
	switch s.State {
	case Running:
		fmt.Fprintf(&b, "running (pid %d), as of %v ago\n", s.PID, age)
	case Stopped:
		fmt.Fprintf(&b, "stopped %v ago; the same command goes on with it\n", age)
	case Killed:
		fmt.Fprintf(&b, "killed %v ago or later; the same command goes on with it\n", age)
	default:
		fmt.Fprintf(&b, "ended %v ago\n", age)
	}
	b.WriteString(startText(s.Start))
	fmt.Fprintln(&b, history.Printable(progressText(s.Progress)))
	fmt.Fprintf(&b, "memory %v of %v, state directory %v of %v\n", s.Memory, s.Start.Limits.Memory, s.Disk, s.Start.Limits.Disk)
	for _, k := range s.Skipped {
		if k.Scenario == "" {
			b.WriteString(skipText([]Skip{k}))
		}
	}
	for _, f := range s.Last {
		state := "known"
		switch {
		case f.Regression:
			state = "REGRESSION"
		case f.New:
			state = "new"
		}
		fmt.Fprintf(&b, "%-10s  %s  %s on %s\n", state, history.Printable(f.ID), history.Printable(f.Title), history.Printable(f.Target))
	}
	if s.Summary != nil && s.Summary.Canary != nil {
		fmt.Fprintln(&b, history.Printable(s.Summary.Canary.String()))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
