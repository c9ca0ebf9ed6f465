//go:build !agent

package main

import (
	"errors"

	"tracehammer/crashers"
	"tracehammer/stress/campaign"
)

// marksFlags are shared by the commands that write what people say of a finding.
type marksFlags struct {
	stateFlag
	jsonFlag
	Note string `placeholder:"TEXT" help:"Add to the finding's notes (notes.md in its directory)."`
}

type closeCmd struct {
	marksFlags
	As     string `enum:"fixed,invalid,duplicate" required:"" help:"Why: ${enum}."`
	Target string `placeholder:"TARGET" help:"As fixed: where runs must not show it any more (default: where it was found)."`
	ID     string `arg:"" help:"Finding, as in list; a unique beginning will do."`
	Of     string `arg:"" optional:"" help:"As duplicate: the finding that it is the same as."`
}

func (closeCmd) Help() string {
	return `Closing a finding as fixed takes runs that do not show it: on the target, as many as miss it with a chance of at most 0.001 if it still shows in as many runs as when it was filed; the number is printed first. One that shows it keeps the finding as it is (exit 1). A campaign that sees a fixed finding again reports a regression (exit 5 of stressd run).

Examples:

    stressd close 3f2a --as fixed --target qemu:x86_64@./bzImage --note "fixed by 6342adcaa683"
    stressd close 3f2a --as duplicate 77b0
    stressd close 3f2a --as invalid --note "the board's clock stands still"`
}

type reopenCmd struct {
	marksFlags
	ID string `arg:"" help:"Finding, as in list; a unique beginning will do."`
}

func (reopenCmd) Help() string {
	return `A finding that was closed, or that is back, is open then: nobody need be told of it again.

Examples:

    stressd reopen 3f2a --note "only fixed on amd64"`
}

type markCmd struct {
	marksFlags
	As    string  `enum:"open,reproducing,known," default:"" help:"State: open, reproducing, known."`
	Owner *string `placeholder:"NAME" help:"Who looks after it; an empty name is nobody."`
	ID    string  `arg:"" help:"Finding, as in list; a unique beginning will do."`
}

func (markCmd) Help() string {
	return `What people say of a finding are files beside it: state, owner and notes.md. They may be written by hand as well, and are made for git.

Examples:

    stressd mark 3f2a --owner "Jane Doe <jane@example.org>"
    stressd mark 3f2a --as known --note "https://lore.kernel.org/r/20261126061000.1@example.org"`
}

// mark writes what people say of a finding.
func (f *marksFlags) mark(a *app, cfg campaign.MarkConfig) (err error) {
	if cfg.StateDir, err = f.dir(); err != nil {
		return err
	}
	cfg.Note = f.Note
	cfg.Reporter = a.reporter(f.JSON, campaign.MarkText{Out: a.out, Err: a.err})
	return campaign.Mark(a.ctx, cfg)
}

// Run implements kong's command.
func (c *closeCmd) Run(a *app) error {
	s, err := crashers.ParseState(c.As)
	if err != nil {
		return err
	}
	if (s == crashers.StateDuplicate) != (c.Of != "") {
		return errors.New("close: a duplicate is one of another finding, and only a duplicate is: stressd close ID --as duplicate OF")
	}
	if c.Target != "" {
		if s != crashers.StateFixed {
			return errors.New("close: only what is closed as fixed is run, --target is for that")
		}
		if _, err := targets([]string{c.Target}); err != nil {
			return err
		}
	}
	return c.mark(a, campaign.MarkConfig{ID: c.ID, State: s, Of: c.Of, Target: c.Target})
}

// Run implements kong's command.
func (r *reopenCmd) Run(a *app) error {
	return r.mark(a, campaign.MarkConfig{ID: r.ID, State: crashers.StateOpen})
}

// Run implements kong's command.
func (m *markCmd) Run(a *app) (err error) {
	cfg := campaign.MarkConfig{ID: m.ID, Owner: m.Owner}
	if m.As != "" {
		if cfg.State, err = crashers.ParseState(m.As); err != nil {
			return err
		}
	}
	if m.As == "" && m.Owner == nil && m.Note == "" {
		return errors.New("mark: say what to write: --as, --owner or --note")
	}
	return m.mark(a, cfg)
}
