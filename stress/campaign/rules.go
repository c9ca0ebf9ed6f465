package campaign

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress/history"
	"tracehammer/stress/rules"
)

// RuleShown is one rule of the specification, as an event.
type RuleShown struct {
	rules.Rule
	Runs    map[string]uint64 `json:"runs,omitempty"`    // by target: how often a campaign's runs went through it
	Differs []string          `json:"differs,omitempty"` // what is different on the kernel asked for, with the source
}

// RulesSummary is the last event of a listing of rules.
type RulesSummary struct {
	Rules   int `json:"rules"`
	Seen    int `json:"seen"`    // with evidence from a real kernel
	Uncited int `json:"uncited"` // in no code
	Unshown int `json:"unshown"` // in no scenario and no test
	Unrun   int `json:"unrun"`   // R rules that the campaign did not go through; 0 without one
	Listed  int `json:"listed"`
}

// EventName implements Event.
func (RuleShown) EventName() string    { return "rule" }
func (RulesSummary) EventName() string { return "rules-summary" }

// RulesConfig says which rules to list.
type RulesConfig struct {
	From    string // state directory whose last campaign is asked for its counts; "" none
	Profile string // kernel whose differences are listed; "" none
	Missing bool   // only what lacks code, a scenario or test, or (with From) runs
}

// Rules lists the rules of the specification.
func Rules(cfg RulesConfig, out Reporter) error {
	all, err := rules.Load(corpus.Seeds())
	if err != nil {
		return err
	}
	var counts map[string]rules.Counts
	if cfg.From != "" {
		if counts, err = lastCounts(cfg.From); err != nil {
			return err
		}
	}
	differs := map[engine.Rule][]string{}
	if cfg.Profile != "" {
		p, err := engine.ParseProfile(cfg.Profile)
		if err != nil {
			return err
		}
		for _, x := range p.Old.List() {
			i := x.Info()
			for _, r := range i.Rules {
				differs[r] = append(differs[r], fmt.Sprintf("%s: %s (%s)", i.Name, i.Doc, i.Source))
			}
		}
	}
	sum := RulesSummary{Rules: len(all)}
	for _, r := range all {
		e := RuleShown{Rule: r, Differs: differs[r.N()]}
		unrun := false
		if counts != nil && r.N() != 0 {
			e.Runs, unrun = map[string]uint64{}, true
			for target, c := range counts {
				e.Runs[target] = c[r.ID]
				unrun = unrun && c[r.ID] == 0
			}
		}
		missing := unrun
		if r.Evidence == rules.Seen {
			sum.Seen++
		}
		if len(r.Places) == 0 {
			sum.Uncited++
			missing = true
		}
		if !r.Shown() {
			sum.Unshown++
			missing = true
		}
		if unrun {
			sum.Unrun++
		}
		if cfg.Missing && !missing {
			continue
		}
		sum.Listed++
		if err := out.Report(e); err != nil {
			return err
		}
	}
	return out.Report(sum)
}

// lastCounts reads what the last campaign of a state directory counted, by target.
func lastCounts(state string) (map[string]rules.Counts, error) {
	last, err := lastCampaign(state)
	if err != nil {
		return nil, err
	}
	counts := map[string]rules.Counts{}
	for _, c := range last {
		if c.Rules != nil {
			counts[c.Target] = c.Rules
		}
	}
	if len(counts) == 0 {
		return nil, errors.New("the last campaign of " + state + " counted no rules: it made no run that the engine explains")
	}
	return counts, nil
}

// lastCampaign reads what the last campaign of a state directory counted.
func lastCampaign(state string) ([]Count, error) {
	all, err := campaignsOf(state)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("read campaigns of %s: none has ended yet", history.Printable(state))
	}
	return all[len(all)-1].PerTarget, nil
}

// RulesText shows rules to people.
type RulesText struct{ Out io.Writer }

// Report implements Reporter.
func (t RulesText) Report(e Event) error {
	var b strings.Builder
	switch e := e.(type) {
	case RuleShown:
		fmt.Fprintf(&b, "%-4s %s  %s\n", e.ID, e.Evidence, e.Title)
		list(&b, "code", e.Places)
		list(&b, "scenarios", e.Scenarios)
		list(&b, "tests", e.Tests)
		for _, d := range e.Differs {
			fmt.Fprintf(&b, "       %-10s %s\n", "differs", d)
		}
		if e.Runs != nil {
			var runs []string
			for _, target := range sortedKeys(e.Runs) {
				runs = append(runs, fmt.Sprintf("%s %d", target, e.Runs[target]))
			}
			list(&b, "runs", runs)
		}
	case RulesSummary:
		fmt.Fprintf(&b, "%d rules, %d of them seen on a real kernel (E); %d in no code, %d in no scenario or test", e.Rules, e.Seen, e.Uncited, e.Unshown)
		if e.Unrun > 0 {
			fmt.Fprintf(&b, ", %d not exercised", e.Unrun)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(t.Out, b.String())
	return err
}

// list writes names behind a label, broken into lines.
func list(b *strings.Builder, label string, names []string) {
	const width, indent = 120, "                  "
	if len(names) == 0 {
		return
	}
	line := fmt.Sprintf("       %-10s", label)
	for i, n := range names {
		if i > 0 && len(line)+1+len(n) > width {
			fmt.Fprintln(b, line)
			line = indent[1:]
		}
		line += " " + n
	}
	fmt.Fprintln(b, line)
}

// countsText writes how often targets' runs went through each rule.
func countsText(b *strings.Builder, counts map[string]rules.Counts) {
	for _, target := range sortedKeys(counts) {
		var hit, never []string
		for n := 1; rules.Title(n) != ""; n++ {
			id := fmt.Sprint("R", n)
			if c := counts[target][id]; c > 0 {
				hit = append(hit, fmt.Sprintf("%s:%d", id, c))
			} else {
				never = append(never, id)
			}
		}
		fmt.Fprintf(b, "%s: %d rules exercised\n", target, len(hit))
		list(b, "runs", hit)
		list(b, "never", never)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
