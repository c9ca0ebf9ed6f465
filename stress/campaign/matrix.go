package campaign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

// MatrixConfig says what to compare.
type MatrixConfig struct {
	Scenarios []*corpus.Scenario
	Targets   []string
	Reference engine.Profile // the kernel that all are compared with
	State     string         // the state directory, which gets what nothing explains
	Reporter  Reporter       // is told each cell as it is there, and the whole at the end
	Open      Opener         // nil: Open
}

// Matrix is a table of scenarios and targets.
type Matrix struct {
	Reference string         `json:"reference"`
	Targets   []MatrixTarget `json:"targets"`
	Rows      []MatrixRow    `json:"rows"`
	// Cells by status.
	Agreed      int `json:"agreed"`
	Explained   int `json:"explained"`
	KnownBugs   int `json:"knownBugs"`
	Skipped     int `json:"skipped"`
	Unexplained int `json:"unexplained"`
	// Features say what is behind each name in MatrixCell.Differs.
	Features map[string]string `json:"features"`
}

// MatrixTarget is a column.
type MatrixTarget struct {
	Name    string   `json:"name"`
	Kernel  string   `json:"kernel,omitempty"`
	Profile []string `json:"profile,omitempty"` // in what it is said to differ from the reference
	Cannot  string   `json:"cannot,omitempty"`  // why it did not run here
}

// MatrixRow is a scenario.
type MatrixRow struct {
	Scenario string       `json:"scenario"`
	Cells    []MatrixCell `json:"cells"` // one for each target
}

// MatrixCell is a scenario on a target.
type MatrixCell struct {
	Checked
	// Differs names what of the target's profile explains those of its outcomes that the reference has not.
	Differs []string `json:"differs,omitempty"`
	// Undecided says that some comparison was cut short.
	Undecided bool     `json:"undecided,omitempty"`
	Findings  []string `json:"findings,omitempty"` // ids of what was filed
}

// EventName implements Event.
func (*Matrix) EventName() string      { return "matrix" }
func (MatrixCell) EventName() string   { return "matrix-cell" }
func (MatrixTarget) EventName() string { return "matrix-target" }

// Status is what one word says of a cell.
type Status uint8

// The statuses of a cell.
const (
	Agrees      Status = iota // nothing that the reference has not
	Explained                 // differs as its profile says
	KnownBug                  // shows a known bug that it is marked with
	NotRun                    // is not for that target, or the target could not run
	Unexplained               // differs, and nobody knows why
)

var statusNames = [...]string{"agrees", "differs", "known bug", "skipped", "unexplained"}

func (s Status) String() string { return statusNames[s] }

// Status sums a cell up.
func (c *MatrixCell) Status() Status {
	switch {
	case len(c.Problems) > 0 || c.Undecided:
		return Unexplained
	case c.Skipped != "":
		return NotRun
	case c.KnownBug != 0:
		return KnownBug
	case len(c.Differs) > 0:
		return Explained
	}
	return Agrees
}

// Ran is the number of targets that could run here.
func (m *Matrix) Ran() (n int) {
	for _, t := range m.Targets {
		if t.Cannot == "" {
			n++
		}
	}
	return n
}

// CompareTargets runs every scenario on every target, as Check does, and says what on each is not as on the reference, and why. A target
// that cannot run here is a column that says so.
func CompareTargets(ctx context.Context, cfg MatrixConfig) (*Matrix, error) {
	if cfg.Open == nil {
		cfg.Open = Open
	}
	store, err := crashers.Open(cfg.State)
	if err != nil {
		return nil, err
	}
	m, err := compareTargets(ctx, &cfg, store)
	return m, errors.Join(err, store.Close())
}

func compareTargets(ctx context.Context, cfg *MatrixConfig, store *crashers.Store) (*Matrix, error) {
	m := &Matrix{Reference: cfg.Reference.Name, Rows: make([]MatrixRow, len(cfg.Scenarios)), Features: map[string]string{}}
	for i, s := range cfg.Scenarios {
		m.Rows[i].Scenario = s.Name
	}
	for _, name := range cfg.Targets {
		col, err := m.column(ctx, cfg, store, name)
		if err != nil {
			return m, err
		}
		m.Targets = append(m.Targets, col)
	}
	m.count()
	if err := context.Cause(ctx); err != nil {
		return m, err
	}
	return m, errors.Join(m.save(cfg.State), cfg.Reporter.Report(m))
}

func (m *Matrix) column(ctx context.Context, cfg *MatrixConfig, store *crashers.Store, name string) (MatrixTarget, error) {
	col := MatrixTarget{Name: name}
	r, err := newRunner(ctx, cfg.Open, name)
	var env *stress.EnvError
	switch {
	case errors.As(err, &env):
		col.Cannot = env.Error()
		for i := range m.Rows {
			m.Rows[i].Cells = append(m.Rows[i].Cells, MatrixCell{Checked: Checked{Scenario: m.Rows[i].Scenario, Target: name, Skipped: "the target cannot run here"}})
		}
		return col, cfg.Reporter.Report(col)
	case err != nil:
		return col, err
	}
	profile := r.target.Profile()
	if col.Kernel = cmp.Or(profile.Name, newest); r.real {
		col.Kernel = r.machine.String()
	}
	for _, f := range profileFeatures(cfg.Reference, profile) {
		col.Profile = append(col.Profile, f.name)
	}
	d := newDiffer(cfg.Reference, profile)
	for i, s := range cfg.Scenarios {
		if ctx.Err() != nil {
			break
		}
		cell, err := r.cell(ctx, store, d, s)
		if err != nil {
			return col, errors.Join(fmt.Errorf("compare %s on %s: %w", s.Name, name, err), r.close())
		}
		m.Rows[i].Cells = append(m.Rows[i].Cells, cell)
		for _, f := range cell.Differs {
			m.Features[f] = describe(f)
		}
		if err := cfg.Reporter.Report(cell); err != nil {
			return col, errors.Join(err, r.close())
		}
	}
	return col, r.close()
}

// cell checks one scenario and compares what it showed.
func (r *runner) cell(ctx context.Context, store *crashers.Store, d *differ, s *corpus.Scenario) (MatrixCell, error) {
	c := MatrixCell{Checked: Checked{Scenario: s.Name, Target: r.target.Name()}}
	if c.Skipped = unfit(s, c.Target, &r.machine); c.Skipped != "" {
		return c, nil
	}
	d.begin()
	var sights []*sighting
	c.see = func(p *engine.Program, h *history.History, v *verdict, plan stress.Plan) bool {
		if !v.Kind.Finding() {
			return d.look(p, h)
		}
		f := &sighting{finding: findingOf(v), item: newItem(s, p), target: c.Target, plan: plan}
		if h != nil {
			f.hist = h.Clone()
		}
		sights = append(sights, f)
		// A row of the kernel's explains it, although this scenario is not marked with it there.
		c.KnownBug = v.known.KnownBug
		return c.KnownBug != 0
	}
	if err := r.check(ctx, s, knownBugs(s, c.Target, &r.machine), &c.Checked); err != nil {
		return c, err
	}
	if d.stray {
		c.problem("an outcome is one of neither its own kernel nor the reference")
	}
	c.OK = len(c.Problems) == 0
	c.Differs, c.Undecided = slices.Sorted(maps.Keys(d.features)), d.undecided
	for _, f := range sights {
		if !r.real {
			break
		}
		cr, _, err := r.put(ctx, store, f, maxMinimise)
		if err == nil {
			_, err = r.regressed(store, cr.ID)
		}
		if err != nil {
			return c, err
		}
		c.Findings = append(c.Findings, cr.ID)
	}
	return c, nil
}

func (m *Matrix) count() {
	for i := range m.Rows {
		for j := range m.Rows[i].Cells {
			switch m.Rows[i].Cells[j].Status() {
			case Agrees:
				m.Agreed++
			case Explained:
				m.Explained++
			case KnownBug:
				m.KnownBugs++
			case NotRun:
				m.Skipped++
			case Unexplained:
				m.Unexplained++
			}
		}
	}
}

// describe says what is behind the name of a feature.
func describe(name string) string {
	for x := range engine.NumSwitches {
		if i := x.Info(); i.Name == name {
			return i.Doc + " (" + i.Source + ")"
		}
	}
	switch arch, is := strings.CutPrefix(name, registersOf); {
	case is:
		return "the register sets and struct user are those of " + arch + " (R110)"
	case name == featureYama:
		return "the Yama security module has a say in who attaches to whom (R108)"
	case name == featureNamespace:
		return "the actors are root of a user namespace that is not the initial one (R105, R107)"
	}
	return ""
}
