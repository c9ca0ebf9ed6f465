package web

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"tracehammer/stress/campaign"
	"tracehammer/stress/history"
	"tracehammer/stress/rules"
)

// targetRow is a target in a table.
type targetRow struct {
	Name string
	campaign.Count
	Rules int // different ones gone through
	Kcov  string
}

func rowOf(c *campaign.Count) targetRow {
	r := targetRow{Name: history.Printable(c.Target), Count: *c, Rules: max(c.RulesSeen, len(c.Rules))}
	if c.Code != nil {
		r.Kcov = c.Code.String()
	}
	return r
}

type targetsPage struct {
	Live     bool
	When     string
	Targets  []targetRow
	Skips    []skipRow
	Lost     []campaign.Lost
	Consoles []consoleTail
}

// skipRow is what one reason kept from running on a target.
type skipRow struct {
	Target, Reason string
	Scenarios      []string // none: the whole target
}

type consoleTail struct{ Name, Text string }

func (s *Server) targets(r *http.Request) (frame, error) {
	v := s.campaign()
	f := frame{Title: "Targets", Here: "targets"}
	p := targetsPage{Live: v.Start != nil}
	if p.Live {
		for i := range v.Progress.Targets {
			p.Targets = append(p.Targets, rowOf(&v.Progress.Targets[i]))
		}
		f.follow(r, &v)
	} else if past, err := s.campaigns(); err != nil {
		return f, err
	} else if len(past) > 0 {
		last := &past[len(past)-1]
		p.When = last.Began.UTC().Format("2006-01-02 15:04 MST")
		for i := range last.PerTarget {
			p.Targets = append(p.Targets, rowOf(&last.PerTarget[i]))
		}
	}
	for _, k := range v.Skips {
		name, reason := history.Printable(k.Target), history.Printable(k.Reason)
		i := slices.IndexFunc(p.Skips, func(r skipRow) bool { return r.Target == name && r.Reason == reason })
		if i < 0 {
			i = len(p.Skips)
			p.Skips = append(p.Skips, skipRow{Target: name, Reason: reason})
		}
		if k.Scenario != "" {
			p.Skips[i].Scenarios = append(p.Skips[i].Scenarios, history.Printable(k.Scenario))
		}
	}
	for _, l := range v.Lost {
		p.Lost = append(p.Lost, campaign.Lost{Target: history.Printable(l.Target), Scenario: history.Printable(l.Scenario), How: history.Printable(l.How)})
	}
	for _, name := range slices.Sorted(maps.Keys(v.Consoles)) {
		p.Consoles = append(p.Consoles, consoleTail{history.Printable(name), printableLines(strings.Join(v.Consoles[name], "\n"))})
	}
	f.Page = p
	return f, nil
}

type rulesPage struct {
	Targets []string // columns
	Rules   []ruleRow
	Missing []int // by column, counted rules that no run went through
}

type ruleRow struct {
	rules.Rule
	Hits []uint64 // by column
	None bool     // no run went through it, and a Mark would have counted that
}

// rules shows how often all campaigns on record went through each rule, by target.
func (s *Server) rules(*http.Request) (frame, error) {
	past, err := s.campaigns()
	if err != nil {
		return frame{}, err
	}
	sums := map[string]rules.Counts{}
	var p rulesPage
	for i := range past {
		for _, c := range past[i].PerTarget {
			if sums[c.Target] == nil {
				sums[c.Target] = rules.Counts{}
				p.Targets = append(p.Targets, c.Target)
			}
			for r, n := range c.Rules {
				sums[c.Target][r] += n
			}
		}
	}
	table, err := ruleTable()
	if err != nil {
		return frame{}, err
	}
	p.Missing = make([]int, len(p.Targets))
	for _, r := range table {
		row := ruleRow{Rule: r, None: r.Counted}
		for i, t := range p.Targets {
			n := sums[t][r.ID]
			row.Hits = append(row.Hits, n)
			if n > 0 {
				row.None = false
			} else if r.Counted {
				p.Missing[i]++
			}
		}
		p.Rules = append(p.Rules, row)
	}
	for i := range p.Targets {
		p.Targets[i] = history.Printable(p.Targets[i])
	}
	return frame{Title: "Rules", Here: "rules", Page: p}, nil
}
