package campaign

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
)

var update = flag.Bool("update", false, "write the tables of docs/profiles.md and docs/events.md")

type collect struct{ failed []Checked }

func (c *collect) Report(e Event) error {
	if e, ok := e.(Checked); ok && !e.OK && e.Skipped == "" {
		c.failed = append(c.failed, e)
	}
	return nil
}

// Every seed that is for a kernel holds on the engine with that kernel's profile: its "on" line and the switches agree.
func TestSeedsUnderProfiles(t *testing.T) {
	for _, name := range engine.ProfileNames() {
		switch name { // the oldest, one in between, and an architecture: stressd check --profile does the others
		case "linux-4.7", "linux-5.10", "linux-6.18/riscv64":
		default:
			continue
		}
		if testing.Short() && name != "linux-4.7" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c collect
			if _, err := Check(context.Background(), corpus.Seeds(), []string{"engine:" + name}, &c); err != nil {
				t.Fatal(err)
			}
			for _, f := range c.failed {
				t.Errorf("%s: %q", f.Scenario, f.Problems)
			}
		})
	}
}

func TestWithProfile(t *testing.T) {
	for _, c := range []struct {
		targets, profile, want string
	}{
		{"engine host", "", "engine host"},
		{"engine host", "linux-6.1", "engine:linux-6.1 host"},
		{"host", "linux-6.1", ""},
		{"engine", "linux-six", ""},
	} {
		got, err := WithProfile(strings.Fields(c.targets), c.profile)
		if strings.Join(got, " ") != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s with %s: %v, %v", c.targets, c.profile, got, err)
		}
	}
}

// docs/profiles.md lists every switch as the engine has it; -update writes the list.
func TestProfilesDoc(t *testing.T) {
	const path, begin, end = "../../docs/profiles.md", "<!-- switches -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s: no %q and %q", path, begin, end)
	}
	var b strings.Builder
	b.WriteString("| switch | kernels that have it | rules | what they do | source |\n|---|---|---|---|---|\n")
	for x := range engine.NumSwitches {
		i := x.Info()
		var who, rules []string
		if i.Before != (engine.Release{}) {
			who = append(who, "Linux before "+i.Before.String())
		}
		if i.Since != (engine.Release{}) {
			who = append(who, "Linux since "+i.Since.String())
		}
		for _, a := range i.Arch {
			if who = append(who, a.String()); i.Until != (engine.Release{}) {
				who[len(who)-1] += " before " + i.Until.String()
			}
		}
		if i.GVisor {
			who = append(who, "gVisor")
		}
		if i.Probe != "" {
			who = append(who, "where the probe "+i.Probe+" says no")
		}
		for _, r := range i.Rules {
			rules = append(rules, fmt.Sprint("R", r))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", i.Name, strings.Join(who, ", "), strings.Join(rules, " "), i.Doc, i.Source)
	}
	want := head + begin + b.String() + end + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Errorf("%s is out of date: go test ./stress/campaign -run ProfilesDoc -update", path)
	}
}
