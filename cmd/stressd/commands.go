//go:build !agent

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"tracehammer/crashers/filing"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/campaign"
	"tracehammer/stress/explore"
	"tracehammer/vm"
)

// dir is the state directory that the flag names, or the default.
func (f *stateFlag) dir() (string, error) {
	if f.State != "" {
		return f.State, nil
	}
	return campaign.DefaultState()
}

// targets are the targets that the user named, or else those.
func targets(named []string, otherwise ...string) ([]string, error) {
	if len(named) == 0 {
		return otherwise, nil
	}
	var list []string
	for _, n := range named {
		several := strings.Split(n, ",")
		if strings.HasPrefix(n, stress.KindExec+":") {
			several = []string{n} // a command may have commas
		}
		for _, t := range several {
			if _, _, err := stress.TargetName(t); err != nil {
				return nil, err
			}
			list = append(list, t)
		}
	}
	return list, nil
}

// reporter is JSON on stdout if asked for, else text.
func (a *app) reporter(json bool, text campaign.Reporter) campaign.Reporter {
	if json {
		return campaign.JSON{W: a.out}
	}
	return text
}

// Run implements kong's command.
func (r *runCmd) Run(a *app) error {
	cfg, err := r.config()
	if err != nil {
		return err
	}
	text := &campaign.Text{Out: a.out, Err: a.err, TTY: a.tty}
	switch {
	case r.JSON:
		text.Out = io.Discard
		cfg.Reporter = campaign.Tee{&campaign.Seldom{Reporter: campaign.JSON{W: a.out}}, text}
	case r.KTAP:
		text.Out = a.err
		cfg.Reporter = campaign.Tee{text, &campaign.KTAP{W: a.out}}
	default:
		cfg.Reporter = text
	}
	manager, err := campaign.NewSystemd()
	if err != nil {
		return err
	}
	if manager != nil {
		cfg.Reporter = campaign.Tee{cfg.Reporter, manager}
	}
	var sum campaign.Summary
	err = r.beside(a, cfg.State, cfg.Reporter, func(out campaign.Reporter) (err error) {
		cfg.Reporter = out
		sum, err = r.run(a, cfg)
		return err
	})
	switch {
	case err != nil:
		return err
	case sum.Regressions > 0:
		return status(exitRegression)
	case sum.NewFindings > 0:
		return status(exitFindings)
	case sum.Skipped > 0 && r.Strict:
		return status(exitSkipped)
	}
	return nil
}

// Run implements kong's command.
func (c *checkCmd) Run(a *app) error {
	names, err := targets(c.Target, "engine")
	if err == nil {
		names, err = campaign.WithProfile(names, c.Profile)
	}
	if err != nil {
		return err
	}
	scenarios, bad := campaign.Load(c.Files)
	sum, err := campaign.Check(a.ctx, scenarios, names, a.reporter(c.JSON, campaign.CheckText{Out: a.out, Marks: c.Marks}))
	if err = errors.Join(bad, err); err != nil {
		return err
	}
	if sum.Failed > 0 {
		return status(exitError)
	}
	return nil
}

// Run implements kong's command.
func (m *matrixCmd) Run(a *app) error {
	machines, err := vm.List()
	if err != nil {
		return err
	}
	all := []string{stress.KindEngine, stress.KindHost}
	for _, v := range machines.Machines {
		all = append(all, v.Target)
	}
	cfg := campaign.MatrixConfig{Reporter: a.reporter(m.JSON, campaign.MatrixText{Out: a.out})}
	if cfg.Targets, err = targets(m.Target, all...); err != nil {
		return err
	}
	if cfg.Reference, err = engine.ParseProfile(m.Reference); err != nil {
		return err
	}
	if cfg.Scenarios, err = campaign.Load(m.Files); err != nil {
		return err
	}
	if cfg.State, err = m.dir(); err != nil {
		return err
	}
	// Files that cannot be written are better known before than after half an hour.
	markdown, err := output(m.Markdown)
	if err != nil {
		return err
	}
	page, err := output(m.HTML)
	if err != nil {
		return err
	}
	table, err := campaign.CompareTargets(a.ctx, cfg)
	if table != nil && len(table.Targets) > 0 { // what there is of one that was interrupted
		err = errors.Join(err, markdown.fill(table.Markdown), page.fill(table.HTML))
	}
	if err != nil {
		return err
	}
	switch {
	case table.Unexplained > 0:
		return status(exitFindings)
	case table.Ran() == 0:
		return status(exitEnv)
	case table.Ran() < len(table.Targets) && m.Strict:
		return status(exitSkipped)
	}
	return nil
}

// outputFile is a file that a command writes at its end; nil if the user wants none. Until then it keeps what it has.
type outputFile struct{ *os.File }

func output(path string) (*outputFile, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	return &outputFile{f}, nil
}

func (f *outputFile) fill(write func(io.Writer) error) error {
	if f == nil {
		return nil
	}
	defer f.Close()
	var b bytes.Buffer // what cannot be made whole does not replace anything
	if err := write(&b); err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.Write(b.Bytes()) // whose error names the file
	}
	return err
}

// Run implements kong's command.
func (e *exploreCmd) Run(a *app) error {
	scenarios, err := campaign.Load([]string{e.File})
	if err != nil {
		return err
	}
	profile := engine.Profile{}
	if e.Profile != "" {
		if profile, err = engine.ParseProfile(e.Profile); err != nil {
			return err
		}
	}
	out := a.reporter(e.JSON, campaign.OutcomeText{Out: a.out})
	if e.Strategy == "" {
		return campaign.Explore(a.ctx, scenarios[0], profile, explore.Options{Limit: e.Limit, NoReduction: e.NoReduction, NoSymmetry: e.NoSymmetry}, out)
	}
	if e.Runs < 1 {
		return errors.New("--runs must be at least 1")
	}
	seed := rand.Uint64()
	if e.Seed != nil {
		seed = *e.Seed
	}
	return campaign.Sample(a.ctx, scenarios[0], profile, e.Strategy, e.Runs, seed, out)
}

// Run implements kong's command. Whatever keeps it from telling is exit code 125, not an error of its own.
func (r *reproCmd) Run(a *app) error {
	res, err := r.repro(a)
	var i campaign.Interrupted
	switch {
	case errors.As(err, &i):
		return err
	case err != nil:
		complain(err)
		return status(exitCannotTell)
	}
	if r.JSON {
		if err := campaign.WriteJSON(a.out, res.EventName(), res); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(a.out, res)
		if r.Verbose && res.Shown {
			fmt.Fprint(a.out, "\n", res.Lanes)
		}
	}
	switch {
	case res.Shown:
		return status(1)
	case res.Doubtful():
		return status(exitCannotTell)
	}
	return nil
}

func (r *reproCmd) repro(a *app) (*campaign.Reproduced, error) {
	if r.Times < 1 {
		return nil, errors.New("--times must be at least 1")
	}
	dir, err := r.dir()
	if err != nil {
		return nil, err
	}
	return campaign.Repro(a.ctx, dir, r.ID, r.Target, r.Times)
}

// Run implements kong's command.
func (m *minimizeCmd) Run(a *app) error {
	dir, err := m.dir()
	if err != nil {
		return err
	}
	return campaign.Minimize(a.ctx, dir, m.ID, m.For, &campaign.Text{Out: a.out, Err: a.err, TTY: a.tty})
}

// parseBug reads the name of a planted bug.
func parseBug(name string) (engine.Bug, error) {
	b, err := engine.ParseBug(name)
	if err != nil {
		err = fmt.Errorf("%w: stressd bugs lists them", err)
	}
	return b, err
}

// Run implements kong's command.
func (l *listCmd) Run(a *app) error {
	dir, err := l.dir()
	if err != nil {
		return err
	}
	return campaign.List(dir, l.StateOf, a.reporter(l.JSON, &campaign.ListText{Out: a.out}))
}

// Run implements kong's command.
func (s *showCmd) Run(a *app) error {
	dir, err := s.dir()
	if err != nil {
		return err
	}
	return campaign.Show(dir, s.ID, s.JSON, a.out)
}

// Run implements kong's command.
func (r *reportCmd) Run(a *app) error {
	dir, err := r.dir()
	if err != nil {
		return err
	}
	var since time.Time
	if r.Since < 0 {
		return errors.New("--since must not be negative")
	}
	if r.Since > 0 {
		since = time.Now().Add(-r.Since)
	}
	page, err := output(r.HTML)
	if err != nil {
		return err
	}
	rep, err := campaign.MakeReport(dir, since)
	if err != nil {
		return err
	}
	if err := page.fill(rep.HTML); err != nil {
		return err
	}
	if r.JSON {
		return campaign.WriteJSON(a.out, rep.EventName(), rep)
	}
	return rep.Text(a.out)
}

// Run implements kong's command.
func (f *fileCmd) Run(a *app) error {
	dir, err := f.dir()
	if err != nil {
		return err
	}
	config := ""
	if f.Config != "" {
		if config, err = campaign.ReadConfig(f.Config); err != nil {
			return err
		}
	}
	return campaign.File(dir, f.IDs, f.As, version(), config, filing.Mail{From: f.From, To: f.To, Cc: f.Cc, InReplyTo: f.InReplyTo, ReportedBy: f.ReportedBy}, a.out)
}

// Run implements kong's command.
func (b *bugsCmd) Run(a *app) error {
	var bugs []engine.Bug
	for _, name := range b.Bugs {
		bug, err := parseBug(name)
		if err != nil {
			return err
		}
		bugs = append(bugs, bug)
	}
	if len(bugs) == 0 {
		bugs = engine.Bugs()
	}
	out := a.reporter(b.JSON, campaign.BugsText{Out: a.out})
	if !b.Hunt {
		return campaign.ListBugs(bugs, out)
	}
	if b.For <= 0 || b.Workers < 0 {
		return errors.New("--for must be positive, and --workers not negative")
	}
	cfg := campaign.BugsConfig{Bugs: bugs, For: b.For, Workers: b.Workers, Seed: rand.Uint64(), Reporter: out}
	if b.Seed != nil {
		cfg.Seed = *b.Seed
	}
	var err error
	if cfg.Scenarios, err = campaign.Load(nil); err != nil {
		return err
	}
	sum, err := campaign.HuntBugs(a.ctx, cfg)
	if err != nil {
		return err
	}
	if len(sum.Missed)+len(sum.Drifted) > 0 {
		return status(exitError)
	}
	return nil
}

// Run implements kong's command.
func (r *rulesCmd) Run(a *app) error {
	return campaign.Rules(campaign.RulesConfig{From: r.From, Missing: r.Missing, Profile: r.Profile}, a.reporter(r.JSON, campaign.RulesText{Out: a.out}))
}

// Run implements kong's command.
func (c *coverageCmd) Run(a *app) error {
	dir, err := c.dir()
	if err != nil {
		return err
	}
	return campaign.Code(dir, a.reporter(c.JSON, campaign.CodeText{Out: a.out, Missing: c.Missing}))
}

// Run implements kong's command.
func (agentCmd) Run(a *app) error { return serve(a.ctx) }

// Run implements kong's command.
func (d *doctorCmd) Run(a *app) error {
	return campaign.Doctor(a.reporter(d.JSON, campaign.DoctorText{Out: a.out}))
}
