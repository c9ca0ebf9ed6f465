package crashers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/history/jsonl"
)

// Meta is what a crasher's meta.json holds, and its status: all that a list needs.
type Meta struct {
	ID    string `json:"id"`
	Kind  Kind   `json:"kind"`
	Title string `json:"title"`
	Rules []int  `json:"rules,omitempty"`
	Known
	Signature string    `json:"signature"`
	Coarse    string    `json:"coarse"`
	Target    string    `json:"target"`
	Kernel    string    `json:"kernel"`
	Arch      string    `json:"arch"`
	Ops       int       `json:"ops"`             // operations of the stored scenario
	Hits      int       `json:"hits"`            // of Runs runs of the stored scenario under the stored plan, Hits showed it
	Runs      int       `json:"runs"`            //
	Minimised bool      `json:"minimised"`       // the minimiser came to its end, not to its limit
	Exact     bool      `json:"exact,omitempty"` // the plan's schedule shows it each time
	Count     int       `json:"count"`           // sightings, the first included
	FirstSeen time.Time `json:"firstSeen"`
	LastSeen  time.Time `json:"lastSeen"`
	Command   string    `json:"command"` // shows it again
	At        *Place    `json:"at,omitempty"`
	// Status is what the files beside it say, read with it; meta.json has nothing of it.
	Status
}

// Crasher is a finding as it is filed.
type Crasher struct {
	Meta
	Scenario    []byte // text of the scenario language
	Plan        stress.Plan
	History     *history.History // one run that shows it; nil when there is none (a crash of the machine)
	Explanation string
	Schedule    string  // the plan's schedule in words, where it is Exact
	Report      []byte  // report.md
	Repro       []byte  // repro.c; nil when the finding cannot be shown by a C program
	Curve       *Curve  // when it became inevitable, where it is Exact and there was time to compute that
	Tried       []Tried // where it was tried since it was filed, as the mark says that is read with it
}

// The files of a crasher's directory. Sizes bound what a reader believes.
const (
	fileMeta        = "meta.json"
	fileScenario    = "scenario.scn"
	filePlan        = "plan.json"
	fileHistory     = "history.jsonl"
	fileExplanation = "explanation.txt"
	fileSchedule    = "schedule.txt"
	fileReport      = "report.md"
	fileRepro       = "repro.c"
	fileCurve       = "inevitable.json"

	maxMeta     = 64 << 10
	maxScenario = 1 << 20
	maxPlan     = 1 << 20
	maxHistory  = 64 << 20
	maxText     = 4 << 20
)

// ownFiles are the files of a crasher that a Store writes whole. Whatever else is in its directory is somebody's.
var ownFiles = []string{fileMeta, fileScenario, filePlan, fileHistory, fileExplanation, fileSchedule, fileReport, fileRepro, fileCurve}

// file is one file of a crasher's directory with its contents.
type file struct {
	name string
	data []byte
}

// files encodes c. meta.json is the last: a directory that has it is whole.
func (c *Crasher) files() ([]file, error) {
	plan, err := json.MarshalIndent(c.Plan, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	meta, err := c.Meta.encode()
	if err != nil {
		return nil, err
	}
	fs := []file{{fileScenario, c.Scenario}, {filePlan, append(plan, '\n')}, {fileExplanation, []byte(c.Explanation)}, {fileReport, c.Report}}
	if c.History != nil {
		var b bytes.Buffer
		if err := jsonl.Write(&b, c.History); err != nil {
			return nil, err
		}
		fs = append(fs, file{fileHistory, b.Bytes()})
	}
	if c.Schedule != "" {
		fs = append(fs, file{fileSchedule, []byte(c.Schedule)})
	}
	if c.Repro != nil {
		fs = append(fs, file{fileRepro, c.Repro})
	}
	if c.Curve != nil {
		curve, err := json.MarshalIndent(c.Curve, "", " ")
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", fileCurve, err)
		}
		fs = append(fs, file{fileCurve, append(curve, '\n')})
	}
	return append(fs, file{fileMeta, meta}), nil
}

func (m *Meta) encode() ([]byte, error) {
	plain := *m
	plain.Status = Status{}
	b, err := json.MarshalIndent(plain, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", fileMeta, err)
	}
	return append(b, '\n'), nil
}

// decodeMeta reads a meta.json that claims to be of crasher id.
func decodeMeta(id string, data []byte) (Meta, error) {
	var m Meta
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%s: %s", fileMeta, history.Printable(err.Error())) // it quotes the file
	}
	switch {
	case m.ID != id:
		return m, fmt.Errorf("%s: it says id %q", fileMeta, m.ID)
	case m.Hits < 0 || m.Runs < m.Hits || m.Count < 1 || m.Ops < 0:
		return m, fmt.Errorf("%s: impossible counts", fileMeta)
	}
	for _, s := range []*string{&m.Title, &m.Signature, &m.Coarse, &m.Target, &m.Kernel, &m.Arch, &m.Command} {
		*s = history.Printable(*s)
	}
	if m.At != nil {
		for i := range m.At.Allowed {
			m.At.Allowed[i] = history.Printable(m.At.Allowed[i])
		}
	}
	return m, nil
}

// Seen is how often the finding came, as people read it: "once", "8 times".
func (m *Meta) Seen() string {
	if m.Count == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", m.Count)
}

// Rate is which runs the finding shows in, as people read it: "each run", "7 of 10 runs".
func (m *Meta) Rate() string {
	switch {
	case m.Exact:
		return "each run"
	case m.Runs == 0:
		return "no run measured"
	}
	return fmt.Sprintf("%d of %d runs", m.Hits, m.Runs)
}

// ruleList writes rules as the scenario language does.
func ruleList(rules []int) string {
	var s []string
	for _, r := range rules {
		s = append(s, fmt.Sprintf("R%d", r))
	}
	return strings.Join(s, " ")
}
