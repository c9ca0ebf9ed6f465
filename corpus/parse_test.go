package corpus

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tracehammer/engine"
)

var update = flag.Bool("update", false, "rewrite what testdata expects")

// testdata/errors holds one malformed scenario a file; its first line is a comment with the error.
func TestParseErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.scn")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files with errors (%v)", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		first, rest, _ := strings.Cut(string(text), "\n")
		want := filepath.Base(f) + ":" + strings.TrimPrefix(first, "# ")
		_, err = Parse(filepath.Base(f), text)
		if *update && err != nil {
			first = "# " + strings.TrimPrefix(err.Error(), filepath.Base(f)+":")
			if err := os.WriteFile(f, []byte(first+"\n"+rest), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", f, err, want)
		}
	}
}

func TestParseBounds(t *testing.T) {
	head := "scenario x\nproc main\n"
	for name, text := range map[string]string{
		"size":       head + strings.Repeat("# comment\n", MaxText/10),
		"comments":   head + strings.Repeat("# c\n", MaxTrivia+1) + "main: getpid\n",
		"operations": head + strings.Repeat("main: getpid\n", MaxOps+1),
		"actors":     head + "proc a of main\nproc b of main\nproc c of main\nproc d of main\nproc e of main\nproc f of main\nproc g of main\nproc h of main\nproc i of main\nproc j of main\nproc k of main\nproc l of main\n",
		"variables":  head + "main: a1 = getpid\nmain: a2 = getpid\nmain: a3 = getpid\nmain: a4 = getpid\nmain: a5 = getpid\nmain: a6 = getpid\nmain: a7 = getpid\nmain: a8 = getpid\nmain: a9 = getpid\nmain: b1 = getpid\nmain: b2 = getpid\nmain: b3 = getpid\nmain: b4 = getpid\nmain: b5 = getpid\nmain: b6 = getpid\nmain: b7 = getpid\nmain: b8 = getpid\n",
		"not UTF-8":  head + "main: getpid \xff\n",
		"empty":      "",
	} {
		if _, err := Parse("x.scn", []byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// What a scenario may look like before it is canonical.
func TestParseLenient(t *testing.T) {
	const loose = "\n\n  # title\n\n\nscenario  x   # a name\n\n# about the rules\nrules R4\tR8\nproc main\nproc c of main # created at the start\n" +
		"main:ptrace ATTACH c=>0\n"
	const text = "# title\n\nscenario x  # a name\nrules R4 R8\n\n# about the rules\nproc main\nproc c of main  # created at the start\n" +
		"main: ptrace ATTACH c => 0\nmain: wait4 c         => c stopped SIGSTOP | ECHILD  # or so\n\n# the end\n"
	if _, err := Parse("loose", []byte(loose)); err == nil {
		t.Error("=> without blanks around it was taken")
	}
	s, err := Parse("loose", []byte(strings.Replace(loose, "c=>0", "c   =>   0", 1)+"main: wait4 c 0 => c stopped SIGSTOP | ECHILD # or so\n\n\n#  the end\n\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(s.Print()); got != strings.Replace(text, "# the end", "#  the end", 1) {
		t.Errorf("canonical form:\n%s", got)
	}
}

// TestNumbersAreReadBack: what is written of a number of any type but three, whose bounds Validate checks by trying, is read
// back as that number.
func TestNumbersAreReadBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		typ := ParamType(rapid.IntRange(0, int(numParamTypes)-1).Draw(r, "type"))
		if typ == Duration || typ == CloneFlags || typ == Status {
			return
		}
		n := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 1<<12), rapid.SampledFrom([]int64{int64(engine.DeadTid), 1 << 31, 1 << 62, -1 << 63})).Draw(r, "n")
		if back, ok := parseNum(typ, formatNum(typ, n)); !ok || back != n {
			r.Fatalf("type %d: %d is written %q and read as %d, %v", typ, n, formatNum(typ, n), back, ok)
		}
	})
}
