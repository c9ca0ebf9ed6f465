package corpus

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tracehammer/engine"
)

// testdata/lower holds scenarios and, behind them, the programs that they become.
func TestLower(t *testing.T) {
	files, err := filepath.Glob("testdata/lower/*.scn")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files (%v)", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(f, text)
		if err != nil {
			t.Error(err)
			continue
		}
		p, err := Lower(s)
		if err != nil {
			t.Error(err)
			continue
		}
		got := listing(p)
		golden := strings.TrimSuffix(f, ".scn") + ".txt"
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(golden); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s becomes (%v)\n%s", f, err, got)
		}
	}
}

// listing writes a program as text.
func listing(p *engine.Program) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d variables, %d delay cells\n", p.Vars, p.Cells)
	for i, m := range p.Barriers {
		fmt.Fprintf(&b, "barrier %d: %s, %d parties, align %v\n", i, m.Name, m.Parties, m.Align)
	}
	for a, actor := range p.Actors {
		fmt.Fprintf(&b, "%s: victim %v\n", actor.Name, actor.Victim)
		for i, in := range actor.Code {
			fmt.Fprintf(&b, "%3d  ", i)
			switch in.Op {
			case engine.OpCall:
				b.WriteString(FormatCall(p, engine.ActorID(a), int32(i)))
				if in.Dst != engine.NoVar {
					fmt.Fprintf(&b, " -> $%d", in.Dst)
				}
				if in.DstOut != engine.NoVar {
					fmt.Fprintf(&b, " status -> $%d", in.DstOut)
				}
				fmt.Fprintf(&b, "  [%d]", in.Src)
			case engine.OpBarrier:
				fmt.Fprintf(&b, "meet %d", in.Barrier)
			case engine.OpDelay:
				fmt.Fprintf(&b, "delay %d", in.Cell)
			case engine.OpSet:
				fmt.Fprintf(&b, "$%d = %d", in.Dst, in.Imm)
			case engine.OpAdd:
				fmt.Fprintf(&b, "$%d += %d", in.Dst, in.Imm)
			case engine.OpJump:
				fmt.Fprintf(&b, "go to %d", in.Target)
			case engine.OpBranch:
				fmt.Fprintf(&b, "if $%d & %#x == %#x go to %d", in.Var, uint64(in.Mask), uint64(in.Match), in.Target)
			case engine.OpEnd:
				b.WriteString("end")
			}
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

func TestCheck(t *testing.T) {
	s, err := Parse("x", []byte(`scenario x
proc main
proc child of main by fork
main: r = fork child => child
main: wait4 child __WALL => child stopped SIGSTOP | ECHILD
main: waitid P_PID child WEXITED => 0 child CLD_EXITED 3
main: pause => blocks
main: getpid => never
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Lower(s)
	if err != nil {
		t.Fatal(err)
	}
	call := func(instr int32, ret int64, out ...int64) Observed {
		o := Observed{Actor: 0, Instr: instr, Done: true, Res: engine.Result{Ret: ret}}
		copy(o.Res.Out[:], out)
		return o
	}
	tids := []int32{100, 200}
	good := []Observed{call(0, 200), call(1, 200, 0x137f), call(2, 0, 200, engine.CLD_EXITED, 3), {Actor: 0, Instr: 3}}
	if m := s.Check(p, good, tids); len(m) > 0 {
		t.Errorf("unexpected mismatches: %v", m)
	}
	symbolic := []Observed{call(0, 3), call(1, -engine.ECHILD), call(2, 0, 3, engine.CLD_EXITED, 3), {Actor: 0, Instr: 3}}
	if m := s.Check(p, symbolic, nil); len(m) > 0 {
		t.Errorf("unexpected mismatches: %v", m)
	}
	bad := []Observed{call(0, 201), call(1, 200, 0x57f), call(3, -engine.EINTR), call(4, 100)}
	want := []string{
		"operation 0: got 201, expected child",
		"operation 1: got child stopped SIGTRAP, expected child stopped SIGSTOP | ECHILD",
		"operation 3: got EINTR, expected blocks",
		"operation 4: got main, expected never",
		"operation 2: got not begun, expected 0 child CLD_EXITED 3",
	}
	var got []string
	for _, m := range s.Check(p, bad, tids) {
		got = append(got, m.String())
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A kernel that is no Linux has none of the bugs that versions of Linux have.
func TestConditionsOnSystems(t *testing.T) {
	since := Condition{MinKernel: Version{3, 4}}
	uml := Condition{MinKernel: Version{3, 4}, System: []string{"uml"}}
	other := Condition{System: []string{engine.GVisor}}
	arm := Condition{MinKernel: Version{3, 4}, Arch: []string{"arm64"}}
	for _, x := range []struct {
		c             Condition
		system        string
		runs, hasBugs bool
	}{
		{since, "", true, true}, {since, "uml", true, true}, {since, engine.GVisor, true, false},
		{uml, "", false, false}, {uml, "uml", true, true}, {uml, engine.GVisor, false, false},
		{other, "", false, false}, {other, "uml", false, false}, {other, engine.GVisor, true, true},
		{arm, "", false, false}, {arm, engine.GVisor, false, false},
	} {
		s := &Scenario{On: []Condition{x.c}, KnownBugs: []KnownBug{{Row: 1, On: x.c}}}
		m := Machine{Release: "6.1.0", Arch: "amd64", System: x.system}
		if s.RunsOn(m) != x.runs || (len(s.Known(m)) > 0) != x.hasBugs {
			t.Errorf("on%s, machine %+v: runs %v, known bugs %v", x.c, m, s.RunsOn(m), s.Known(m))
		}
	}
}

func TestConditions(t *testing.T) {
	c := Condition{MinKernel: Version{4, 8}, MaxKernel: Version{6, 1}, Arch: []string{"amd64", "arm64"}}
	asRoot := c
	asRoot.Root = true
	for _, x := range []struct {
		release, arch string
		want          bool
	}{
		{"4.8.0", "amd64", true}, {"4.7.10", "amd64", false}, {"6.0.9-rc1", "arm64", true}, {"6.1.0", "amd64", false},
		{"5.10.200", "s390x", false}, {"odd", "amd64", false},
	} {
		for _, root := range []bool{false, true} {
			m := Machine{Release: x.release, Arch: x.arch, Root: root}
			if c.Holds(m) != x.want || asRoot.Holds(m) != (x.want && root) {
				t.Errorf("%s on %+v: %v, as root %v", c, m, !x.want, !(x.want && root))
			}
		}
	}
}
