package campaign

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/crashers"
	"tracehammer/stress/coverage"
)

func lowered(t *testing.T, text string) *item {
	t.Helper()
	s, p := corpustest.Lower(t, "scenario test\nproc main\nproc child of main\n"+text)
	return newItem(s, p)
}

// A variation stays for what nobody showed before, and not for what it shows by being another scenario.
func TestQueueKeepsWhatIsNew(t *testing.T) {
	q := newQueue(rand.New(rand.NewPCG(1, 1)), coverage.NewRecent(8), nil, nil, nil)
	usr1, usr2 := lowered(t, "main: kill child SIGUSR1\n"), lowered(t, "main: kill child SIGUSR2\n")
	set := func(fs ...coverage.Feature) *coverage.Set {
		s := &coverage.Set{}
		for _, f := range fs {
			s.Add(f)
		}
		return s
	}
	rule, pair := coverage.Feature{Kind: coverage.Rule, A: 8}, coverage.Feature{Kind: coverage.Pair, A: 8, B: 14}
	outcome := func(it *item, o uint64) coverage.Feature {
		return coverage.Feature{Kind: coverage.Outcome, A: it.shape, B: o}
	}
	for i, step := range []struct {
		it    *item
		shown *coverage.Set
		fresh int
		why   int
	}{
		{lowered(t, "main: gettid\n"), set(rule), 1, 1},
		{lowered(t, "main: getpid\n"), set(rule), 0, 0},
		{usr1, set(rule, outcome(usr1, 1)), 1, 0}, // the first of its shape
		{usr2, set(rule, outcome(usr2, 1)), 0, 0}, // another one, and the same outcome
		{usr2, set(outcome(usr2, 2)), 1, 1},       // arguments that matter
		{usr2, set(pair), 1, 0},                   // it is there already
	} {
		fresh, why := q.done(step.it, step.shown)
		if len(fresh) != step.fresh || len(why) != step.why {
			t.Errorf("step %d: fresh %v, kept for %v", i, fresh, why)
		}
	}
	if len(q.items) != 2 {
		t.Errorf("%d items", len(q.items))
	}
	dull := lowered(t, "main: setsid\n")
	dull.dull = true
	if _, why := q.done(dull, set(coverage.Feature{Kind: coverage.Rule, A: 9})); len(why) > 0 {
		t.Errorf("what only hangs is kept for %v", why)
	}
}

// What an earlier campaign kept has its turn; what it shows keeps it, and a damaged file is no reason to stop.
func TestCampaignRestores(t *testing.T) {
	state := t.TempDir()
	store, err := crashers.Open(state)
	if err != nil {
		t.Fatal(err)
	}
	kept := lowered(t, "main: kill child SIGUSR1\nmain: wait4 child\n")
	for name, text := range map[string][]byte{"kept-0": kept.scenario.Print(), "kept-1": []byte("scenario")} {
		if _, err := store.Keep("engine", name, text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Keep("engine:gvisor", "kept-2", kept.scenario.Print()); err != nil {
		t.Fatal(err)
	}
	var skipped []Skip
	c := &campaign{Config: Config{Targets: []string{"engine"}, Scenarios: corpus.Seeds()[:3], Open: Open, State: state}, store: store, board: newBoard(), sights: newSights(), ledger: &alone{},
		out: &serial{r: reporterFunc(func(e Event) error {
			if s, ok := e.(Skip); ok {
				skipped = append(skipped, s)
			}
			return nil
		})}}
	if err := c.assemble(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if len(skipped) != 1 || skipped[0].Scenario != "kept-1.scn" {
		t.Errorf("skipped: %+v", skipped)
	}
	seeds, stored := c.teams[0].share([]int{0, 1, 2}, 0, 1)
	if len(seeds) != 3 || len(stored) != 1 || !corpus.Equal(stored[0].scenario, kept.scenario) {
		t.Fatalf("%d seeds, %d kept", len(seeds), len(stored))
	}
	q := newQueue(rand.New(rand.NewPCG(1, 1)), coverage.NewRecent(8), func(s *corpus.Scenario) *corpus.Scenario { return s }, seeds, stored)
	turns := 0
	for it := q.next(); it != stored[0]; it = q.next() {
		q.done(it, &coverage.Set{})
		if turns++; turns == 1000 { // (3/4)^997
			t.Fatal("it has no turn")
		}
	}
	q.done(stored[0], &coverage.Set{})
	if len(q.stored) != 0 || stored[0].kept {
		t.Errorf("%d left; kept without a reason: %v", len(q.stored), stored[0].kept)
	}
}

// What a campaign keeps it writes as scenarios that say why.
func TestCampaignKeeps(t *testing.T) {
	state := t.TempDir()
	sum, err := Run(t.Context(), Config{Targets: []string{"engine"}, Scenarios: corpus.Seeds()[:3], For: 2 * time.Second, Seed: 1, State: state, Workers: 1,
		Reporter: Tee{}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := crashers.OpenReader(state)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(r.KeptDir("engine"), "*"))
	if err != nil {
		t.Fatal(err)
	}
	c := sum.PerTarget[0]
	if len(files) == 0 || len(files) > c.Kept || c.Coverage["rule"] < 10 || c.Coverage["pair"] == 0 || c.Coverage["sequence"] == 0 {
		t.Fatalf("%d files; %+v", len(files), c)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s, err := corpus.Parse(f, text)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Name+".scn" != filepath.Base(f) || len(s.Before) < 2 || !strings.HasPrefix(s.Before[0], "# Kept: ") || string(s.Print()) != string(text) {
			t.Errorf("%s:\n%s", f, text)
		}
	}
}
