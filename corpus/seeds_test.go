package corpus

import (
	"slices"
	"strings"
	"testing"

	"tracehammer/engine"
)

func TestSeeds(t *testing.T) {
	seeds := Seeds()
	if len(seeds) < 60 {
		t.Errorf("%d seeds, want at least 60", len(seeds))
	}
	topics := SeedTopics()
	if files := seedPaths(); len(files) != len(topics) {
		t.Errorf("%d files of %d names: a seed's name is its alone, whatever its topic", len(files), len(topics))
	}
	names := map[string]bool{}
	for _, s := range seeds {
		text, err := seedFiles.ReadFile("seeds/" + topics[s.Name] + "/" + s.Name + ".scn")
		if err != nil {
			t.Errorf("scenario %s is not in a file of its name: %v", s.Name, err)
			continue
		}
		if got := s.Print(); string(got) != string(text) {
			t.Errorf("%s is not in canonical form, which is:\n%s", s.Name, got)
		}
		if names[s.Name] {
			t.Errorf("two seeds are called %s", s.Name)
		}
		names[s.Name] = true
		if len(s.Before) == 0 || len(s.Rules) == 0 && !s.EngineOnly() {
			t.Errorf("%s does not say what it shows: a comment and its rules", s.Name)
		}
		roundTrip(t, s)
	}
}

// Every chapter of the rules has a seed, and so has each bug that is live on current kernels.
func TestSeedsCoverTheRules(t *testing.T) {
	shown, bugs := map[int]bool{}, map[int]bool{}
	for _, s := range Seeds() {
		for _, r := range s.Rules {
			shown[r] = true
		}
		for _, k := range s.KnownBugs {
			bugs[k.Row] = true
		}
	}
	for _, row := range []int{5, 54} {
		if !bugs[row] {
			t.Errorf("no seed shows known bug %d", row)
		}
	}
	// Rules that no scenario of one machine can show: what has no observable side of its own, needs another security
	// module, a set-uid image, a kernel thread, or a table.
	without := []int{12, 22, 26, 42, 63, 74, 83, 103, 107, 108, 112, 113}
	for r := 1; r <= MaxRule; r++ {
		if !shown[r] && !slices.Contains(without, r) {
			t.Errorf("no seed shows R%d", r)
		}
	}
}

func TestSeedsLower(t *testing.T) {
	for _, s := range Seeds() {
		p, err := Lower(s)
		if err != nil {
			t.Error(err)
			continue
		}
		ops := s.Ops()
		covered := make([]bool, len(ops))
		for a := range p.Actors {
			code := p.Actors[a].Code
			if code[len(code)-1].Op != engine.OpEnd {
				t.Errorf("%s: actor %s does not end with OpEnd", s.Name, p.Actors[a].Name)
			}
			for i, in := range code {
				if in.Src >= 0 {
					covered[in.Src] = true
				}
				if (in.Op == engine.OpJump || in.Op == engine.OpBranch) && (in.Target < 0 || int(in.Target) >= len(code)) {
					t.Errorf("%s: actor %s, instruction %d goes to %d of %d", s.Name, p.Actors[a].Name, i, in.Target, len(code))
				}
				if in.Op != engine.OpCall {
					continue
				}
				text := FormatCall(p, engine.ActorID(a), int32(i))
				if in.Src >= 0 && !strings.Contains(text, "$") && !ops[in.Src].Verb.IsServe() && strings.TrimPrefix(ops[in.Src].call(), ops[in.Src].Dst+" = ") != text {
					t.Errorf("%s: FormatCall says %q of %q", s.Name, text, ops[in.Src].call())
				}
			}
		}
		if i := slices.Index(covered, false); i >= 0 {
			t.Errorf("%s: nothing was lowered from operation %d", s.Name, i)
		}
		if len(s.Delays()) != p.Cells {
			t.Errorf("%s: %d delays for %d cells", s.Name, len(s.Delays()), p.Cells)
		}
		if p.Vars > maxProgramVars {
			t.Errorf("%s: %d variables", s.Name, p.Vars)
		}
	}
}

func roundTrip(t *testing.T, s *Scenario) {
	t.Helper()
	text := s.Print()
	back, err := Parse("again", text)
	if err != nil {
		t.Fatalf("printed scenario does not parse: %v\n%s", err, text)
	}
	if got := back.Print(); string(got) != string(text) {
		t.Fatalf("print of parse differs:\n%s\nwas\n%s", got, text)
	}
	c := s.Clone()
	c.Canonical()
	c.Name = "x"
	d := Decode(Encode(s))
	d.Canonical()
	if !Equal(c, d) {
		t.Fatalf("decode of encode differs:\n%s\nwas\n%s", d.Print(), c.Print())
	}
	if _, err := Lower(s); err != nil {
		t.Fatal(err)
	}
}
