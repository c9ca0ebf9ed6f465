package campaign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"tracehammer/corpus"
	"tracehammer/fuzz/collection"
	"tracehammer/stress/coverage"
	"tracehammer/stress/history"
)

// CorpusConfig says which inputs to work on, and how.
type CorpusConfig struct {
	Paths    []string // files or directories; none: the seeds
	Out      string   // directory
	Format   collection.Format
	Runs     int    // schedules of a scenario that measure what it covers
	Seed     uint64 // of these
	Reporter Reporter
}

// CorpusWrote is an input that was written, or would be.
type CorpusWrote struct {
	From string `json:"from"`
	To   string `json:"to,omitempty"`
	New  bool   `json:"new"`            // it was not there before
	Adds int    `json:"adds,omitempty"` // features that it added to what was chosen before it
}

// CorpusImplied is an input that is left out because others cover all that it does.
type CorpusImplied struct {
	From string `json:"from"`
}

// CorpusSummary is the last event of what was done with a corpus.
type CorpusSummary struct {
	Inputs   int            `json:"inputs"` // different ones that were read
	Chosen   int            `json:"chosen"`
	New      int            `json:"new"` // written, and not there before
	Bad      int            `json:"bad"` // could not be read or written
	Coverage map[string]int `json:"coverage,omitempty"`
	Out      string         `json:"out,omitempty"`
}

// EventName implements Event.
func (CorpusWrote) EventName() string   { return "corpus-wrote" }
func (CorpusImplied) EventName() string { return "corpus-implied" }
func (CorpusSummary) EventName() string { return "corpus-summary" }

// entries reads what the user named, or takes the seeds.
func (cfg *CorpusConfig) entries() (all []*collection.Entry, bad []error) {
	if len(cfg.Paths) > 0 {
		return collection.Read(cfg.Paths)
	}
	for _, s := range corpus.Seeds() {
		all = append(all, collection.FromScenario(s))
	}
	return all, nil
}

// ConvertCorpus writes all inputs into a directory in another format.
func ConvertCorpus(cfg CorpusConfig) error {
	all, bad := cfg.entries()
	sum := CorpusSummary{Inputs: len(all), Out: cfg.Out}
	for _, e := range all {
		bad = appendError(bad, cfg.write(e, 0, &sum))
	}
	return cfg.finish(&sum, bad)
}

// write writes one input and tells. Only an error of telling ends everything.
func (cfg *CorpusConfig) write(e *collection.Entry, adds int, sum *CorpusSummary) error {
	w := CorpusWrote{From: from(e), Adds: adds}
	if cfg.Out != "" {
		var err error
		if w.To, w.New, err = e.Write(cfg.Out, cfg.Format); err != nil {
			return err
		}
	}
	sum.Chosen++
	if w.New {
		sum.New++
	}
	return cfg.Reporter.Report(w)
}

func from(e *collection.Entry) string {
	if e.Path == "" {
		return e.Name
	}
	return e.Path
}

func appendError(all []error, err error) []error {
	if err != nil {
		all = append(all, err)
	}
	return all
}

func (cfg *CorpusConfig) finish(sum *CorpusSummary, bad []error) error {
	sum.Bad = len(bad)
	return errors.Join(errors.Join(bad...), cfg.Reporter.Report(*sum))
}

// measure says what each input covers.
func (cfg *CorpusConfig) measure(ctx context.Context, all []*collection.Entry) ([][]coverage.Feature, error) {
	covers := make([][]coverage.Feature, len(all))
	for i, e := range all {
		var err error
		if covers[i], err = collection.Measure(ctx, e, cfg.Runs, cfg.Seed); err != nil {
			return nil, errors.Join(err, context.Cause(ctx))
		}
	}
	return covers, nil
}

// MinimizeCorpus chooses as few inputs as cover what all of them cover, and writes these; without an output directory it
// only says which they are.
func MinimizeCorpus(ctx context.Context, cfg CorpusConfig) error {
	all, bad := cfg.entries()
	covers, err := cfg.measure(ctx, all)
	if err != nil {
		return err
	}
	sum := CorpusSummary{Inputs: len(all), Out: cfg.Out, Coverage: counted(collection.Covered(covers))}
	chosen := make([]bool, len(all))
	for _, p := range collection.Minimise(covers, func(i int) int { return all[i].Input.Scenario.NumOps() }) {
		chosen[p.Index] = true
		bad = appendError(bad, cfg.write(all[p.Index], p.Adds, &sum))
	}
	for i, e := range all {
		if !chosen[i] {
			bad = appendError(bad, cfg.Reporter.Report(CorpusImplied{from(e)}))
		}
	}
	return cfg.finish(&sum, bad)
}

// MergeCorpus writes those inputs into a directory that cover something which neither what is there nor those before them do.
func MergeCorpus(ctx context.Context, cfg CorpusConfig) error {
	old, err := existing(cfg.Out)
	if err != nil {
		return err
	}
	more, bad := cfg.entries()
	all := append(old, more...)
	covers, err := cfg.measure(ctx, all)
	if err != nil {
		return err
	}
	sum := CorpusSummary{Inputs: len(more), Out: cfg.Out, Coverage: counted(collection.Covered(covers))}
	for _, p := range collection.Merge(covers, len(old)) {
		bad = appendError(bad, cfg.write(all[p.Index], p.Adds, &sum))
	}
	return cfg.finish(&sum, bad)
}

// existing reads what a directory holds, which need not be there.
func existing(dir string) ([]*collection.Entry, error) {
	if matches, err := filepath.Glob(filepath.Join(escaped(dir), "*")); err != nil || len(matches) == 0 {
		return nil, err
	}
	all, bad := collection.Read([]string{dir})
	return all, errors.Join(bad...)
}

// escaped keeps Glob from taking a directory's own name for a pattern.
func escaped(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

// counted is how many features of each kind a set has.
func counted(s *coverage.Set) map[string]int {
	m := map[string]int{}
	for k, n := range s.Counts() {
		if k := coverage.Kind(k); k != coverage.Outcome {
			m[k.String()] = n
		}
	}
	return m
}

// coveredText writes counts as people read them.
func coveredText(n map[string]int) string {
	s := fmt.Sprintf("%d rules, %d pairs of rules of two actors, %d results, %d sequences of two", n["rule"], n["pair"], n["result"], n["sequence"])
	if n["block"] > 0 {
		s += fmt.Sprintf(", %d blocks of the kernel's code", n["block"])
	}
	return s
}

// CorpusText shows what is done with a corpus to people.
type CorpusText struct{ Out io.Writer }

// Report implements Reporter.
func (t CorpusText) Report(e Event) error {
	var b strings.Builder
	switch e := e.(type) {
	case CorpusWrote:
		what := history.Printable(e.From)
		if e.To != "" {
			what += " -> " + history.Printable(e.To)
		}
		if e.To != "" && !e.New {
			what += " (there already)"
		}
		if e.Adds > 0 {
			what += fmt.Sprintf(" adds %d", e.Adds)
		}
		fmt.Fprintln(&b, what)
	case CorpusImplied:
		fmt.Fprintf(&b, "%s adds nothing\n", history.Printable(e.From))
	case CorpusSummary:
		fmt.Fprintf(&b, "%d inputs, %d chosen", e.Inputs, e.Chosen)
		if e.Out != "" {
			fmt.Fprintf(&b, ", %d of them new in %s", e.New, history.Printable(e.Out))
		}
		if e.Bad > 0 {
			fmt.Fprintf(&b, ", %d bad", e.Bad)
		}
		if e.Coverage != nil {
			fmt.Fprintf(&b, "; together they cover %s", coveredText(e.Coverage))
		}
		b.WriteByte('\n')
	case CorpusStats:
		e.text(&b)
	}
	_, err := io.WriteString(t.Out, b.String())
	return err
}
