package campaign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress/coverage"
	"tracehammer/stress/oracle"
	"tracehammer/stress/rules"
)

// Schema is the version of the JSON events. It grows when a field changes its meaning or goes; new fields do not count.
const Schema = 1

// An Event is something that a campaign tells: one JSON object, or a line or a block for people.
type Event interface {
	// EventName is the value of the JSON field "event".
	EventName() string
}

// Reporter shows events. A campaign calls it from one goroutine at a time.
type Reporter interface {
	Report(Event) error
}

// Start is the first event: what is about to run.
type Start struct {
	Campaign  string   `json:"campaign"` // its ID
	Kernel    string   `json:"kernel"`
	Targets   []string `json:"targets"`
	Scenarios int      `json:"scenarios"` // seed scenarios
	Seed      uint64   `json:"seed"`
	Workers   int      `json:"workers"`        // per target
	Seconds   float64  `json:"seconds"`        // planned; 0: until interrupted
	Runs      uint64   `json:"runs,omitempty"` // of each target, after which it ends sooner
	State     string   `json:"state"`
	// Before is how many of the Seconds it ran in other processes: it goes on.
	Before float64   `json:"before,omitempty"`
	Began  time.Time `json:"began"` // the campaign, not this process
	Limits Limits    `json:"limits"`
	Tasks  int       `json:"tasks"`          // that actors of this machine's kernel may be at a time, at most
	Anew   string    `json:"anew,omitempty"` // why it does not go on with the one that is in the state directory and was not over
}

// Progress says how far a campaign is.
type Progress struct {
	Seconds     float64  `json:"seconds"`
	Remaining   float64  `json:"remaining"` // 0: no end planned
	Targets     []Count  `json:"targets"`
	Outcomes    int      `json:"outcomes"`    // distinct outcomes seen
	NewsSeconds float64  `json:"newsSeconds"` // age of the last new outcome or finding; negative: none yet
	Findings    int      `json:"findings"`
	NewFindings int      `json:"newFindings"`
	Regressions int      `json:"regressions"`
	Memory      Size     `json:"memory"`            // bytes of this process; 0: unknown
	Disk        Size     `json:"disk"`              // bytes of the state directory
	Members     []Member `json:"members,omitempty"` // the other processes of a fleet
	Minimising  int      `json:"minimising"`        // findings that wait for, or are in, confirmation and minimisation
}

// Skip says what was not run on a target, and why.
type Skip struct {
	Target   string `json:"target"`
	Scenario string `json:"scenario,omitempty"` // empty: the whole target
	Reason   string `json:"reason"`
}

// Found is a finding that was filed, once for each signature in a campaign.
type Found struct {
	ID         string         `json:"id"`
	Kind       string         `json:"kind"` // not-admitted, invariant, hang, console, crash
	Title      string         `json:"title"`
	Target     string         `json:"target"`
	Dir        string         `json:"dir"`
	New        bool           `json:"new"`        // no earlier campaign of this state directory filed it
	Regression bool           `json:"regression"` // it had been fixed
	State      crashers.State `json:"state"`      // new, open, reproducing, known, fixed, regressed, invalid, duplicate
	crashers.Known
	Shown      int    `json:"shown"` // how many of
	Of         int    `json:"of"`    // these re-runs of the minimal scenario showed it
	Operations int    `json:"operations"`
	Exact      bool   `json:"exact"`   // a schedule is filed that shows it each time
	Minimal    bool   `json:"minimal"` // false: the time was up before the minimiser was done
	Scenario   string `json:"scenario"`
	// What is wrong about it, and its schedule in words; of new findings of a triage.
	Explanation string `json:"explanation,omitempty"`
	Schedule    string `json:"schedule,omitempty"`
	Command     string `json:"command"`
	By          string `json:"by,omitempty"` // the process of a fleet that found it; none: this one
}

// Ran says what the runs of one seed scenario on one target came to; it comes at the end.
type Ran struct {
	Scenario string `json:"scenario"`
	Verdicts
	Target string `json:"target"`
	First  string `json:"first,omitempty"` // title of the first violation
}

// Verdicts counts runs by what the oracle said of them.
type Verdicts struct {
	Runs           uint64 `json:"runs"`
	Admitted       uint64 `json:"admitted"`
	NotAdmitted    uint64 `json:"notAdmitted"`
	Unknown        uint64 `json:"unknown"`
	Hangs          uint64 `json:"hangs"`
	HangsPredicted uint64 `json:"hangsPredicted"` // waits for good, rightly
	Violations     uint64 `json:"violations"`     // invariants and console reports
	Late           uint64 `json:"late"`           // whatever the verdict, it took more than it should (oracle.DueStates)
}

// Bad is the number of runs with a violation.
func (v *Verdicts) Bad() uint64 { return v.NotAdmitted + v.Hangs + v.Violations }

func (v *Verdicts) add(w *Verdicts) {
	v.Runs += w.Runs
	v.Admitted += w.Admitted
	v.NotAdmitted += w.NotAdmitted
	v.Unknown += w.Unknown
	v.Late += w.Late
	v.Hangs += w.Hangs
	v.HangsPredicted += w.HangsPredicted
	v.Violations += w.Violations
}

func (v *Verdicts) count(o *oracle.Verdict) {
	v.Runs++
	if o.Late {
		v.Late++
	}
	switch o.Kind {
	case oracle.Admitted:
		v.Admitted++
	case oracle.NotAdmitted:
		v.NotAdmitted++
	case oracle.Unknown:
		v.Unknown++
	case oracle.Hang:
		v.Hangs++
	case oracle.HangPredicted:
		v.HangsPredicted++
	case oracle.Invariant, oracle.Console:
		v.Violations++
	}
}

// Summary is the last event.
type Summary struct {
	Targets    []string `json:"targets"`
	Scenarios  uint64   `json:"scenarios"`  // runs judged, each of one scenario
	Programs   uint64   `json:"programs"`   // different scenarios among them, variations counted
	Operations uint64   `json:"operations"` // system calls of scenarios
	Verdicts
	Skipped     int       `json:"skipped"`
	Findings    int       `json:"findings"`
	NewFindings int       `json:"newFindings"`
	Regressions int       `json:"regressions"`
	Began       time.Time `json:"began"`
	Ended       time.Time `json:"ended"`
	Seconds     float64   `json:"seconds"` // that it ran; less than Ended-Began if it was stopped and went on
	Seed        uint64    `json:"seed"`
	Canary      *Canary   `json:"canary,omitempty"`
	Interrupted string    `json:"interrupted,omitempty"` // the signal
	PerTarget   []Count   `json:"perTarget"`
	Members     []Member  `json:"members,omitempty"` // the other processes of a fleet, whose runs are not in these counts
	ID          string    `json:"campaign"`          // a campaign that was stopped and went on has several summaries
}

// Count is what one target did so far.
type Count struct {
	Target        string  `json:"target"`
	Programs      uint64  `json:"programs"`
	Operations    uint64  `json:"operations"`
	RunsPerSecond float64 `json:"runsPerSecond"`
	// Recent is the rate of the last minute, in runs per second; in progress only.
	Recent float64 `json:"recentRunsPerSecond,omitempty"`
	Verdicts
	Rules rules.Counts `json:"rules,omitempty"` // how often the executions that explain the runs went through each rule; in the summary only
	// Coverage is how many different rules, pairs of rules, results and sequences of two results the runs showed; in the summary only.
	Coverage map[string]int `json:"coverage,omitempty"`
	// Code is what runs went through of the kernel's code, where it says so; in the summary only.
	Code *KernelCode `json:"code,omitempty"`
	// RulesSeen and BlocksSeen are how many different rules, and blocks of the kernel's code, runs went through so far.
	RulesSeen  int    `json:"rulesSeen,omitempty"`
	BlocksSeen int    `json:"blocksSeen,omitempty"`
	Kept       int    `json:"kept,omitempty"`     // variations that showed something new
	Lost       uint64 `json:"lost,omitempty"`     // times that the machine went away, and that was no finding
	Boots      int    `json:"boots,omitempty"`    // machines that were booted, those of the minimiser included
	Restores   int    `json:"restores,omitempty"` // machines that began with the snapshot of one
	Findings   int    `json:"findings"`           // that the target was the first to show
	marks      engine.Marks
	covered    *coverage.Set
	rate       rate
	fresh      []coverage.Feature // of covered, not yet in the state directory
}

// made says whether a target has made so many runs; never if that is 0.
func (c *Count) made(runs uint64) bool { return runs > 0 && c.Runs >= runs }

// Add adds what the same target did in another campaign: what can be counted together, and nothing of coverage.
func (c *Count) Add(o *Count) {
	c.Verdicts.add(&o.Verdicts)
	c.Programs += o.Programs
	c.Operations += o.Operations
	c.Kept += o.Kept
	c.Lost += o.Lost
	c.Boots += o.Boots
	c.Restores += o.Restores
	c.Findings += o.Findings
}

func (Start) EventName() string    { return "start" }
func (Progress) EventName() string { return "progress" }
func (Skip) EventName() string     { return "skip" }
func (Found) EventName() string    { return "finding" }
func (Ran) EventName() string      { return "scenario" }
func (Summary) EventName() string  { return "summary" }

// JSON writes each event as one line.
type JSON struct{ W io.Writer }

// Report implements Reporter.
func (j JSON) Report(e Event) error { return WriteJSON(j.W, e.EventName(), e) }

// Seldom passes progress on once a second in the first minute, then every 10 s: what is kept in a file is not to grow by the hour.
type Seldom struct {
	Reporter
	last float64 // seconds of the campaign
	some bool
}

// Report implements Reporter.
func (s *Seldom) Report(e Event) error {
	if p, is := e.(Progress); is {
		every := 1.0
		if p.Seconds > 60 {
			every = 10
		}
		if s.some && p.Seconds-s.last < every {
			return nil
		}
		s.last, s.some = p.Seconds, true
	}
	return s.Reporter.Report(e)
}

// WriteJSON writes the object v as one line, with the schema version and the event's name in front of its fields.
func WriteJSON(w io.Writer, event string, v any) error {
	fields, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", event, err)
	}
	var line bytes.Buffer
	fmt.Fprintf(&line, `{"schema":%d,"event":%q`, Schema, event)
	if len(fields) > len("{}") {
		line.WriteByte(',')
	}
	line.Write(fields[1:])
	line.WriteByte('\n')
	if _, err := w.Write(line.Bytes()); err != nil {
		return fmt.Errorf("write event %s: %w", event, err)
	}
	return nil
}

// Tee reports every event to each of its members, and returns the first error.
type Tee []Reporter

// Report implements Reporter.
func (t Tee) Report(e Event) error {
	var first error
	for _, r := range t {
		if err := r.Report(e); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// serial lets the goroutines of a campaign share one Reporter and keeps the first error of writing.
type serial struct {
	mu  sync.Mutex
	r   Reporter
	err error
}

func (s *serial) report(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.r.Report(e); err != nil && s.err == nil {
		s.err = err
	}
}
