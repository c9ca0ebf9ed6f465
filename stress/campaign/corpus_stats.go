package campaign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/fuzz/collection"
	"tracehammer/fuzz/gen"
	"tracehammer/stress"
	"tracehammer/stress/coverage"
	"tracehammer/stress/history"
	"tracehammer/stress/rules"
)

// StatsConfig says what to count.
type StatsConfig struct {
	CorpusConfig
	Targets   []string // beside the engine: where scenarios are run to see which rules they go through
	Generated int      // scenarios to generate and look at
}

// withYama is the engine as a kernel whose Yama restricts attaching, which R108 is about. Few runs show what it refuses.
var withYama = engine.Profile{Name: "yama", Yama: engine.YamaRelational}

const yamaRuns = 4

// CorpusStats is what is in a corpus, and what it covers.
type CorpusStats struct {
	Inputs     int                   `json:"inputs"`
	Operations int                   `json:"operations"`
	Topics     map[string]TopicStats `json:"topics"`
	Verbs      map[string]int        `json:"verbs"` // how many inputs use each verb; 0 for those that none uses
	// Fates says what became of the operations when each input was run in the order of lines, one operation after another.
	Fates map[string]int `json:"fates"`
	// Generated are what became of those of scenarios made of nothing, Varied of variations of the corpus.
	Generated *GeneratedStats         `json:"generated,omitempty"`
	Varied    *GeneratedStats         `json:"varied,omitempty"`
	Coverage  map[string]int          `json:"coverage"` // on the engine
	Rules     map[string]RuleCoverage `json:"rules"`    // by target; the engine is taken without and with Yama
}

// TopicStats counts the inputs of one topic: of a folder.
type TopicStats struct {
	Inputs     int `json:"inputs"`
	Operations int `json:"operations"`
}

// GeneratedStats is what becomes of the operations of generated scenarios.
type GeneratedStats struct {
	Seed       uint64         `json:"seed"`
	Scenarios  int            `json:"scenarios"`
	Operations int            `json:"operations"`
	Fates      map[string]int `json:"fates"`
	Quota      int            `json:"quota,omitempty"` // one operation in so many is drawn without looking whether it is refused
	Lost       int            `json:"lost"`            // operations that do nothing although those of the original did
}

// RuleCoverage says which rules the runs of a corpus on a target went through.
type RuleCoverage struct {
	Covered int           `json:"covered"`
	Of      int           `json:"of"` // rules that code counts
	Missing []RuleMissing `json:"missing,omitempty"`
}

// RuleMissing is a rule that no run went through, and why not.
type RuleMissing struct {
	Rule  string `json:"rule"`
	Title string `json:"title"`
	Why   string `json:"why"`
}

// EventName implements Event.
func (CorpusStats) EventName() string { return "corpus-stats" }

// StatsCorpus counts what is in a corpus, what its runs cover, and how much the operations of generated scenarios do.
func StatsCorpus(ctx context.Context, cfg StatsConfig) error {
	all, bad := cfg.entries()
	covers, err := cfg.measure(ctx, all)
	if err != nil {
		return err
	}
	topics := map[string]string{}
	if len(cfg.Paths) == 0 {
		topics = corpus.SeedTopics()
	}
	st := CorpusStats{Inputs: len(all), Topics: map[string]TopicStats{}, Verbs: map[string]int{}, Fates: map[string]int{},
		Coverage: counted(collection.Covered(covers)), Rules: map[string]RuleCoverage{}}
	for _, v := range corpus.Verbs {
		st.Verbs[v.Name] = 0
	}
	var scenarios []*corpus.Scenario
	for _, e := range all {
		st.count(e, topics)
		if fates, err := gen.Fates(e.Input.Scenario); err == nil {
			for _, f := range fates {
				st.Fates[f.String()]++
			}
		}
		if !e.Input.Scenario.EngineOnly() {
			scenarios = append(scenarios, e.Input.Scenario)
		}
	}
	if n := cfg.Generated; n > 0 {
		m := gen.New(cfg.Seed).MeasureFree(n)
		st.Generated = generated(&m, cfg.Seed)
		st.Generated.Quota = gen.ErrorQuota
		if len(scenarios) > 0 {
			m = gen.New(cfg.Seed).MeasureVary(n, scenarios)
			st.Varied = generated(&m, cfg.Seed)
		}
	}
	known, err := rules.Load(nil)
	if err != nil {
		return err
	}
	set := collection.Covered(covers)
	for _, e := range all {
		c, err := collection.MeasureOn(ctx, e, withYama, yamaRuns, cfg.Seed)
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		set.Merge(collection.Covered([][]coverage.Feature{c}))
	}
	st.Rules[stress.KindEngine] = ruleCoverage(known, set, func(engine.Rule) string { return "no input goes through it" })
	for _, target := range cfg.Targets {
		rc, err := cfg.onTarget(ctx, target, all, covers, known, set)
		if err != nil {
			return err
		}
		st.Rules[target] = rc
	}
	return errors.Join(errors.Join(bad...), cfg.Reporter.Report(st))
}

func generated(m *gen.Measured, seed uint64) *GeneratedStats {
	g := &GeneratedStats{Seed: seed, Scenarios: m.Scenarios, Operations: m.Operations, Lost: m.Lost, Fates: map[string]int{}}
	for f, n := range m.Fates {
		g.Fates[gen.Fate(f).String()] = n
	}
	return g
}

func (st *CorpusStats) count(e *collection.Entry, topics map[string]string) {
	topic := topics[e.Name]
	if topic == "" {
		topic = filepath.Base(filepath.Dir(e.Path))
	}
	s := e.Input.Scenario
	t := st.Topics[topic]
	t.Inputs++
	t.Operations += s.NumOps()
	st.Topics[topic] = t
	st.Operations += s.NumOps()
	used := map[string]bool{}
	for _, o := range s.Ops() {
		used[o.Verb.Name] = true
	}
	for v := range used {
		st.Verbs[v]++
	}
}

// ruleCoverage lists the rules that a set lacks of those that code counts.
func ruleCoverage(known []rules.Rule, set *coverage.Set, why func(engine.Rule) string) (rc RuleCoverage) {
	for _, r := range known {
		if r.N() == 0 || !r.Counted {
			continue
		}
		if rc.Of++; set.Has(coverage.Feature{Kind: coverage.Rule, A: uint64(r.N())}) {
			rc.Covered++
			continue
		}
		rc.Missing = append(rc.Missing, RuleMissing{r.ID, r.Title, why(r.N())})
	}
	return rc
}

// statsRuns is how often stats run a scenario on a kernel, if it does not ask for more: rare outcomes are a campaign's business.
const statsRuns = 20

// onTarget runs the inputs' scenarios on a target. Rules are those of the executions of the engine that explain the runs.
func (cfg *StatsConfig) onTarget(ctx context.Context, target string, all []*collection.Entry, covers [][]coverage.Feature, known []rules.Rule, anywhere *coverage.Set) (rc RuleCoverage, err error) {
	r, err := newRunner(ctx, Open, target)
	if err != nil {
		return rc, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	kept := make([]string, len(all)) // why an input does not run here
	set := &coverage.Set{}
	for i, e := range all {
		if ctx.Err() != nil {
			return rc, context.Cause(ctx)
		}
		s := e.Input.Scenario
		if kept[i] = unfit(s, target, &r.machine); kept[i] != "" {
			continue
		}
		p, err := corpus.Lower(s)
		if err != nil {
			return rc, err
		}
		plan := stress.Plan{Seed: cfg.Seed, Repeat: max(statsRuns, min(s.Repeats(), knownRuns)), Delays: suggestedDelays(s), Strategy: "portfolio"}
		rng := rand.New(rand.NewPCG(cfg.Seed, uint64(i)))
		plan.Seed = rng.Uint64()
		hangs := 0
		if err := r.run(ctx, p, plan, func(h *history.History, v *verdict) bool {
			if h != nil && h.Outcome == history.Stuck {
				hangs++ // each costs a deadline
			}
			return hangs < 2 && !v.Kind.Finding()
		}); err != nil {
			return rc, fmt.Errorf("run %s on %s: %w", s.Name, target, err)
		}
		set.Merge(&r.oracle.Covered)
		r.oracle.Covered.Clear()
	}
	return ruleCoverage(known, set, func(n engine.Rule) string {
		why := whyMissing(n, all, covers, kept)
		if why == "" && anywhere.Has(coverage.Feature{Kind: coverage.Rule, A: uint64(n)}) && r.target.Profile().Yama < engine.YamaRelational {
			why = "only kernels whose Yama restricts attaching have it, and this one does not"
		}
		return cmp.Or(why, "no input goes through it on the engine either")
	}), nil
}

// whyMissing says why no run on a target went through a rule that some inputs go through on the engine; "" if none does.
func whyMissing(n engine.Rule, all []*collection.Entry, covers [][]coverage.Feature, kept []string) string {
	var ran []string
	reasons := map[string]bool{}
	for i, c := range covers {
		if !slices.Contains(c, coverage.Feature{Kind: coverage.Rule, A: uint64(n)}) {
			continue
		}
		if kept[i] == "" {
			ran = append(ran, all[i].Name)
		} else {
			reasons[kept[i]] = true
		}
	}
	switch {
	case len(ran) > 4:
		return fmt.Sprintf("no execution that explains a run goes through it, although %d inputs can", len(ran))
	case len(ran) > 0:
		return "no execution that explains a run goes through it, although these can: " + strings.Join(ran, ", ")
	case len(reasons) > 0:
		return "all inputs that go through it cannot run here: " + strings.Join(slices.Sorted(maps.Keys(reasons)), "; ")
	}
	return ""
}

func (st *CorpusStats) text(b *strings.Builder) {
	fmt.Fprintf(b, "%d inputs, %d operations\n", st.Inputs, st.Operations)
	for _, t := range sortedKeys(st.Topics) {
		fmt.Fprintf(b, "  %-14s %4d inputs %5d operations\n", t, st.Topics[t].Inputs, st.Topics[t].Operations)
	}
	var uses, unused []string
	for _, v := range sortedKeys(st.Verbs) {
		if n := st.Verbs[v]; n > 0 {
			uses = append(uses, fmt.Sprintf("%s:%d", strings.ReplaceAll(v, " ", "_"), n))
		} else {
			unused = append(unused, v)
		}
	}
	fmt.Fprintf(b, "verbs: %d of %d are used, by so many inputs\n", len(uses), len(st.Verbs))
	list(b, "used", uses)
	list(b, "not used", unused)
	b.WriteString("operations, each input run one operation after another in the order of its lines:\n")
	fmt.Fprintf(b, "  the corpus: %s\n", fatesText(st.Fates, st.Operations))
	if g := st.Generated; g != nil {
		fmt.Fprintf(b, "  %d scenarios made of nothing, seed %d: %s; one in %d (%s) is drawn whether or not it is refused\n",
			g.Scenarios, g.Seed, fatesText(g.Fates, g.Operations), g.Quota, share(1, uint64(g.Quota)))
	}
	if g := st.Varied; g != nil {
		fmt.Fprintf(b, "  %d variations, seed %d: %s; %s do nothing although what they were made of did\n", g.Scenarios, g.Seed,
			fatesText(g.Fates, g.Operations), share(uint64(g.Lost), uint64(g.Operations)))
	}
	fmt.Fprintf(b, "covered on the engine: %s\n", coveredText(st.Coverage))
	for _, t := range sortedKeys(st.Rules) {
		rc := st.Rules[t]
		name := t
		if t == stress.KindEngine {
			name += " (without and with Yama)"
		}
		fmt.Fprintf(b, "rules on %s: %d of %d (%s)\n", name, rc.Covered, rc.Of, share(uint64(rc.Covered), uint64(rc.Of)))
		for _, m := range rc.Missing {
			fmt.Fprintf(b, "  %-4s %s: %s\n", m.Rule, m.Title, history.Printable(m.Why))
		}
	}
}

// fatesText says what became of operations.
func fatesText(n map[string]int, of int) string {
	return fmt.Sprintf("%s do something, %s are refused at once, %s sleep for good, %s are not begun, of %d", share(uint64(n[gen.Did.String()]), uint64(of)),
		share(uint64(n[gen.Refused.String()]), uint64(of)), share(uint64(n[gen.Asleep.String()]), uint64(of)), share(uint64(n[gen.NotBegun.String()]), uint64(of)), of)
}
