//go:build !agent

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/campaign"
	"tracehammer/vm"
)

var update = flag.Bool("update", false, "write docs/track-record.md")

// realBug is a bug that a kernel has or had. What scenarios say of it (corpus/seeds: known-bug) and the planted bugs that make the
// engine do the same (engine/bugs.go) are found by the row.
type realBug struct {
	row   int
	what  string // where it is in the kernel, and what it does
	first string // commit or version that brought it, "" for none known
	fixed string // commit or patch that takes it away, "" for none
	// shown and clean are the kernels on which this suite tried it, with the target, and saw it or did not.
	shown, clean []string
	ours         bool   // this suite saw it first
	patch        string // of vm/testdata/patches, which brings it back
}

// trackRecord is every real bug that this suite found or can find again.
var trackRecord = []realBug{
	{row: 1, what: "`ptrace_traceme` records the parent's credentials as the tracer's (CVE-2019-13272)", first: "4.10", fixed: "6994eefb0053", patch: "traceme-parent-cred"},
	{row: 4, what: "the dumpable mark is not asked once the mm is gone (CVE-2026-46333)", fixed: "31e62c2ebbfd"},
	{row: 5, what: "work flags of a call are not read again after its entry stop: a filter that TSYNC installs meanwhile does not see the call (CVE-2026-89603)",
		fixed: "80b43fb457aa", shown: []string{"host 6.18.44", "qemu:x86_64@bookworm 6.1.0-50 (6.1.176)", "qemu:s390x 6.1.0-50 (6.1.176)"},
		clean: []string{"uml 6.1.176", "qemu:x86_64@trixie 6.12.117"}},
	{row: 7, what: "a thread that a stopped group's tracee makes does not stop", fixed: "7b3c36fc4c23", patch: "clone-no-group-stop"},
	{row: 8, what: "a request to the old leader's tid reaches the thread that exec'ed in its place, and EVENT_EXEC is lost", fixed: "dbb5afad100a",
		shown: []string{"uml 6.1.176 with the patch"}, patch: "stale-leader"},
	{row: 10, what: "GETSIGMASK and SETSIGMASK ignore the mask that sigsuspend restores", first: "3.11", fixed: "fcfc2aa0185f", patch: "sigmask-saved"},
	{row: 11, what: "death by SIGKILL makes no EVENT_EXIT stop", first: "35634ffa1751", fixed: "cf43a757fd49",
		shown: []string{"uml 6.1.176 with the patch"}, patch: "sigkill-no-exit-event"},
	{row: 13, what: "LISTEN in a stop that is no EVENT_STOP", fixed: "f9d81f61c84a", patch: "listen-error"},
	{row: 15, what: "the real parent's wait fails with ECHILD while the tracer reaps", fixed: "50b8d257486a, abd50b39e783"},
	{row: 16, what: "a wait is confused by a zombie that another thread has just reaped", fixed: "3245d6acab98"},
	{row: 17, what: "an attacher that waits for a stopped target to trap is not woken", fixed: "62c124ff3bcd", patch: "trapping-lost"},
	{row: 23, what: "waiting for a tracee that clone made without SIGCHLD needs `__WALL`", fixed: "bf959931ddb8", patch: "tracee-needs-wall"},
	{row: 25, what: "the message of EVENT_EXEC is 0 instead of the former tid", fixed: "bb188d7e64de", patch: "exec-msg-zero"},
	{row: 26, what: "SEIZE takes SUSPEND_SECCOMP without the capability (CVE-2022-30594)", fixed: "ee1fee900537", patch: "seize-options"},
	{row: 30, what: "the memory of a tracee that is not dumpable any more can be read (CVE-2015-8709, CVE-2013-2929)", fixed: "84d77d3f06e7, bfedb589252c, d049f74f2dbe", patch: "peek-undumpable"},
	{row: 31, what: "EVENT_EXEC stops with the `cred_guard_mutex` held", fixed: "a2a8474c3fff", patch: "exec-event-mutex"},
	{row: 37, what: "a step over a system call is reported one instruction late, and over an exec never", fixed: "6342adcaa683 (x86)",
		shown: []string{"uml 6.1.176", "qemu:ppc64le 6.1.0-50 (6.1.176)"}, clean: []string{"host 6.18.44"}},
	{row: 40, what: "seccomp decides before the entry stop", fixed: "93e35efb8de4", patch: "seccomp-first"},
	{row: 47, what: "SIGKILL ends an EVENT_EXIT stop of a group that exits already", fixed: "9a95f78eab70", patch: "exit-event-killed"},
	{row: 48, what: "PTRACE_KILL does nothing outside a stop, and an interrupted call leaks -ERESTARTNOHAND", fixed: "0666fb51b148, 6a2d90ba027a", patch: "kill-only-in-stop"},
	{row: 51, what: "DETACH does not wake a stopped tracee", fixed: "edaba2c53344", patch: "detach-no-wake"},
	{row: 53, what: "attach to a stopped target returns before that has trapped", fixed: "d79fdd6d96f4", patch: "attach-no-trap-wait"},
	{row: 54, what: "`ptrace_attach` waits for the `cred_guard_mutex` of an exec that waits for a thread which only the attacher reaps: a deadlock",
		shown: []string{"host 6.18.44", "uml 6.1.176", "qemu:x86_64@bookworm 6.1.0-50 (6.1.176)", "qemu:x86_64@trixie 6.12.117"}},
	{row: 101, ours: true, what: "`send_signal_locked` clears `si_pid` in the siginfo that a kill of a group passes to all",
		fixed: "in 6.1.192", shown: []string{"host 6.18.44", "uml 6.1.176", "qemu:x86_64@bookworm 6.1.0-50 (6.1.176)"}, clean: []string{"qemu:x86_64@trixie 6.12.117"}},
	{row: 102, ours: true, what: "`child_wait_callback` does not wake a `__WNOTHREAD` wait for the thread's own child that another thread traces",
		shown: []string{"host 6.18.44", "uml 6.1.176"}},
	{row: 103, ours: true, what: "`__ptrace_unlink` wakes nobody for the group stop that a detach uncovers", shown: []string{"host 6.18.44", "uml 6.1.176"}},
	{row: 104, ours: true, what: "`sigmask_to_save` is read before the tracer's stop (s390, powerpc): a SETSIGMASK inside a sigsuspend is undone",
		shown: []string{"qemu:s390x 6.1.0-50 (6.1.176)", "qemu:ppc64le 6.1.0-50 (6.1.176)"}},
	{row: 105, ours: true, what: "PEEKUSR and POKEUSR of powerpc take a negative index for the floating point unit's status",
		shown: []string{"qemu:ppc64le 6.1.0-50 (6.1.176)"}},
	{row: 106, ours: true, what: "`ptrace_stop` wakes no wait for a process whose group stop a thread completes that the waiter's process traces",
		shown: []string{"host 6.18.44", "uml 6.1.176", "qemu:x86_64@bookworm 6.1.0-50 (6.1.176)", "qemu:x86_64@trixie 6.12.117", "qemu:x86_64@sid 7.2.13", "qemu:arm64 6.1.0-50 (6.1.176)"}},
	{row: 107, ours: true, what: "`getreg32` and `putreg32` take the word behind `struct user32` for one of its own",
		shown: []string{"qemu:386@bookworm 6.1.0-50 (6.1.176)", "qemu:386@sid 7.2.13"}},
	{row: 108, ours: true, what: "`de_thread` wakes the tracer of the leader that it replaces when that has another tid already: a wait for the leader sleeps on",
		first: "6b03d1304a32", shown: []string{"host 6.18.44", "uml 6.1.176", "qemu:x86_64@bookworm 6.1.0-50 (6.1.176)", "qemu:x86_64@trixie 6.12.117",
			"qemu:x86_64@sid 7.2.13", "qemu:arm64 6.1.0-50 (6.1.176)", "qemu:s390x 6.1.0-50 (6.1.176)"}},
	{row: 109, ours: true, what: "`__send_signal_locked` drops a signal for a thread that is exiting before `prepare_signal`: a SIGCONT for a dead leader continues nobody",
		shown: []string{"host 6.18.44", "qemu:x86_64@sid 7.2.13"}, clean: []string{"uml 6.1.176", "qemu:x86_64@bookworm 6.1.0-50 (6.1.176)", "qemu:x86_64@trixie 6.12.117"}},
}

// marked are the seeds that say which kernels have a bug, by row.
func marked() map[int][]*corpus.Scenario {
	by := map[int][]*corpus.Scenario{}
	for _, s := range corpus.Seeds() {
		for _, k := range s.KnownBugs {
			if list := by[k.Row]; len(list) == 0 || list[len(list)-1] != s {
				by[k.Row] = append(list, s)
			}
		}
	}
	return by
}

// planted are the bugs of the engine that are a row's.
func planted(row int) []engine.Bug {
	return slices.DeleteFunc(engine.Bugs(), func(b engine.Bug) bool { return b.Source() != fmt.Sprintf("row %d", row) })
}

// visorRows begin the rows of bugs of gVisor, which docs/known-bugs.md tells whole.
const visorRows = 201

// visorBug is a row of the list of known bugs that is gVisor's.
var visorBug = regexp.MustCompile(`(?m)^\| (2[0-9][0-9]) \| (.*) \| \[.*\|$`)

const (
	docKnownBugs   = "../../docs/known-bugs.md"
	docTrackRecord = "../../docs/track-record.md"
	seedsDir       = "../../corpus/seeds"
)

// seedFiles are the files of seeds by name.
func seedFiles(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(seedsDir + "/*/*.scn")
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]string{}
	for _, p := range paths {
		by[strings.TrimSuffix(filepath.Base(p), ".scn")] = p
	}
	return by
}

func seedLink(s *corpus.Scenario, files map[string]string) string {
	return fmt.Sprintf("[%s](%s)", s.Name, strings.TrimPrefix(files[s.Name], "../"))
}

// trackRecordDoc is docs/track-record.md.
func trackRecordDoc(t *testing.T) string {
	var b strings.Builder
	b.WriteString(`# Track record

Every real kernel bug that this suite found or can find again. A change to the suite is finished only when old bugs are still found: ` + "`make test-all`" + `
runs this list (` + "`TRACEHAMMER_TEST_ALL=1 go test ./cmd/stressd -run TrackRecord`" + `), each bug with the command in its row, on this machine's kernel
and on every machine that there is. The page is made from the table in ` + "`cmd/stressd/trackrecord_test.go`" + `, the seeds' known-bug lines and the planted
bugs; a test compares them.

Rows are those of [the list of known bugs](known-bugs.md); from 101 on this suite saw them first. "Kernels" are those that the marked seeds claim have
it: there, ` + "`stressd run`" + ` must file it, and ` + "`stressd repro`" + ` must show it again.

`)
	files := seedFiles(t)
	b.WriteString("## On kernels\n\n| row | bug | brought by | fixed by | kernels | tried: shown | tried: not shown | found by |\n|---|---|---|---|---|---|---|---|\n")
	seeds := marked()
	for _, r := range trackRecord {
		if len(r.shown) == 0 && len(seeds[r.row]) == 0 {
			continue
		}
		var on, command []string
		for _, s := range seeds[r.row] {
			for _, k := range s.KnownBugs {
				if k.Row == r.row {
					c := strings.TrimSpace(k.On.String())
					if slices.Contains(k.Shows, corpus.SignNothing) {
						c += " (some)"
					}
					on = append(on, c)
				}
			}
			command = append(command, seedLink(s, files))
		}
		slices.Sort(on)
		say := "`stressd run` with "
		if len(command) == 0 {
			say, command = "`stressd run` on that kernel", nil
		}
		dash := func(s string) string { return cmp.Or(s, "-") }
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s | %s | %s%s |\n", r.row, r.what, dash(r.first), dash(r.fixed), dash(strings.Join(slices.Compact(on), "; ")),
			dash(strings.Join(r.shown, ", ")), dash(strings.Join(r.clean, ", ")), say, strings.Join(command, ", "))
	}
	b.WriteString("\nThe command is `stressd run --for 60s --target TARGET SEED`, with the file of a seed and the target of a kernel.\n")
	b.WriteString("\n## On gVisor\n\nFound by this suite in its release of 2026-09-05 ([machines.md](machines.md#gvisor) says how it is a target), all still there; rows 10, 37, 40, 102 and 103 are live there, too.\n\n| row | bug | found by |\n|---|---|---|\n")
	listed, err := os.ReadFile(docKnownBugs)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range visorBug.FindAllStringSubmatch(string(listed), -1) {
		row, _ := strconv.Atoi(m[1])
		var links []string
		for _, s := range seeds[row] {
			links = append(links, seedLink(s, files))
		}
		fmt.Fprintf(&b, "| %d | %s | %s |\n", row, m[2], strings.Join(links, ", "))
	}
	b.WriteString("\n## Found again in the engine, and in kernels that got them back\n\nThe engine makes the same mistake when it is told to; `stressd bugs --run --for 3m BUG` must find it there, on any machine.\n\n" +
		"| row | bug | fixed by | planted | patch |\n|---|---|---|---|---|\n")
	for _, r := range trackRecord {
		var bugs []string
		for _, bug := range planted(r.row) {
			bugs = append(bugs, "`"+bug.String()+"`")
		}
		patch := ""
		if r.patch != "" {
			patch = fmt.Sprintf("[%s](../vm/testdata/patches/%s.patch)", r.patch, r.patch)
		}
		if len(bugs) > 0 {
			fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", r.row, r.what, cmp.Or(r.fixed, "-"), strings.Join(bugs, ", "), cmp.Or(patch, "-"))
		}
	}
	b.WriteString("\n[machines.md](machines.md) says how a User Mode Linux with a patch is built; `TRACEHAMMER_UML_KERNELS=DIR go test ./cmd/stressd -run UMLKernels` finds each within two minutes.\n")
	return b.String()
}

// TestTrackRecordDoc: the page, the table, the seeds, the planted bugs, the patches and the list of known bugs say the same.
func TestTrackRecordDoc(t *testing.T) {
	doc := trackRecordDoc(t)
	if *update {
		if err := os.WriteFile(docTrackRecord, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(docTrackRecord); err != nil || string(have) != doc {
		t.Errorf("docs/track-record.md is not what the table makes of it (%v): go test ./cmd/stressd -run TrackRecordDoc -update", err)
	}
	rows := map[int]bool{}
	for i, r := range trackRecord {
		if rows[r.row] || i > 0 && trackRecord[i-1].row > r.row || r.ours != (r.row > 100) {
			t.Errorf("row %d is in the wrong place", r.row)
		}
		rows[r.row] = true
	}
	listed, err := os.ReadFile(docKnownBugs)
	if err != nil {
		t.Fatal(err)
	}
	for row, seeds := range marked() {
		if !rows[row] && row < visorRows {
			t.Errorf("row %d, which %s is marked with, is not in the track record", row, seeds[0].Name)
		}
		if !bytes.Contains(listed, fmt.Appendf(nil, "\n| %d | ", row)) {
			t.Errorf("row %d is not in docs/known-bugs.md", row)
		}
	}
	for _, row := range engine.BugRows() {
		if !rows[row] {
			t.Errorf("row %d, which has a planted bug, is not in the track record", row)
		}
	}
	for row := range rows {
		if len(marked()[row]) == 0 && len(planted(row)) == 0 {
			t.Errorf("row %d has neither a marked seed nor a planted bug: nothing finds it again", row)
		}
	}
	patches, err := filepath.Glob("../../vm/testdata/patches/*.patch")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range patches {
		if !slices.ContainsFunc(trackRecord, func(r realBug) bool { return r.patch+".patch" == filepath.Base(p) }) {
			t.Errorf("%s brings back no bug of the track record", p)
		}
	}
}

// testAll says whether the slower tests are asked for.
func testAll(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("TRACEHAMMER_TEST_ALL") == "" {
		t.Skipf("SKIPPED, not passed: %s; TRACEHAMMER_TEST_ALL=1 runs it", why)
	}
}

// TestTrackRecordPlanted: every real bug that the engine can be told to have is found again in it. Three minutes for all of them are
// twenty times what they take of a CPU.
func TestTrackRecordPlanted(t *testing.T) {
	testAll(t, "it hunts for half a minute")
	var args []string
	for _, r := range trackRecord {
		for _, bug := range planted(r.row) {
			args = append(args, bug.String())
		}
	}
	out, code := command(t, "stressd", append([]string{"bugs", "--run", "--for", "3m"}, args...)...)
	if code != exitOK {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// command runs a program, or stressd as this test binary is, and returns what it wrote on stdout.
func command(t *testing.T, program string, args ...string) (string, int) {
	t.Helper()
	c := exec.Command(program, args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if code := c.ProcessState.ExitCode(); code != exitOK && stderr.Len() > 0 {
		t.Logf("%s %v: exit code %d\n%s", filepath.Base(program), args, code, tail(stderr.String()))
	}
	return stdout.String(), c.ProcessState.ExitCode()
}

func tail(s string) string {
	const most = 2000
	return s[max(len(s)-most, 0):]
}

// machines are the targets that there are here: this kernel, and what can be booted.
func machines(t *testing.T) (targets []string) {
	t.Helper()
	if c, err := campaign.Open(t.Context(), stress.KindHost); err == nil {
		c.Close() //nolint:errcheck // it ran nothing
		targets = append(targets, stress.KindHost)
	}
	list, err := vm.List()
	if err != nil {
		t.Fatal(err)
	}
	archs := map[string]bool{}
	for _, k := range list.Kernels {
		archs[k.Arch] = true
	}
	for _, m := range list.Machines {
		arg, qemu := strings.CutPrefix(m.Target, stress.KindQEMU+":")
		if m.Missing == "" && (!qemu || archs[arg] || arg == "x86_64" && archs["amd64"]) {
			targets = append(targets, m.Target)
		}
	}
	for _, k := range list.Kernels { // other releases than the one that is taken by itself
		if k.Arch == "amd64" {
			targets = append(targets, fmt.Sprintf("%s:x86_64@%s", stress.KindQEMU, k.Release))
		}
	}
	return targets
}

// A campaign with the marked seeds may look for so long for what they claim, and there are so many campaigns: a machine that others
// use as well boots in minutes.
const (
	trackTime   = "90s"
	trackRounds = 5
)

// TestTrackRecordKernels: on every kernel that there is, stressd run finds again each bug that the seeds claim for it, files it as that
// row, and stressd repro shows what was filed.
func TestTrackRecordKernels(t *testing.T) {
	testAll(t, "it boots a machine of each architecture")
	dir := t.TempDir()
	stressd := filepath.Join(dir, "stressd")
	buildStressd(t, stressd, "")
	var seeds []string
	files := seedFiles(t)
	for row, list := range marked() {
		for _, s := range list {
			if row < visorRows {
				seeds = append(seeds, files[s.Name])
			}
		}
	}
	slices.Sort(seeds)
	seeds = slices.Compact(seeds)
	again := map[int][]string{}
	for _, target := range machines(t) {
		t.Run(target, func(t *testing.T) {
			if arch, is := strings.CutPrefix(target, stress.KindQEMU+":"); is && !strings.HasPrefix(arch, "x86_64") {
				buildStressd(t, stressd+"-"+arch, arch)
			}
			state := filepath.Join(dir, strings.Map(func(r rune) rune {
				if r == ':' || r == '@' || r == '/' {
					return '-'
				}
				return r
			}, target))
			var found map[int]string
			var machine corpus.Machine
			var missing []string
			for round := 0; round == 0 || len(missing) > 0 && round < trackRounds; round++ {
				out, code := command(t, stressd, append([]string{"run", "--for", trackTime, "--target", target, "--state", state}, seeds...)...)
				if code != exitFindings && code != exitOK {
					t.Fatalf("exit code %d\n%s", code, tail(out))
				}
				found, machine = foundRows(t, stressd, state, target)
				if missing = missed(found, machine); len(found) == 0 {
					missing = []string{"no bug at all was found"}
				}
			}
			for _, m := range missing {
				t.Error(m)
			}
			for row, id := range found {
				again[row] = append(again[row], target+" "+machine.Release)
				if text, code := command(t, stressd, "repro", "--state", state, "--times", "200", id); code != 1 {
					t.Errorf("row %d: repro does not show it again: exit code %d\n%s", row, code, text)
				}
			}
			t.Logf("%s on %s: rows %v", machine.Release, machine.Arch, slices.Sorted(maps.Keys(found)))
		})
	}
	for _, row := range slices.Sorted(maps.Keys(again)) {
		t.Logf("row %d was found again on %s", row, strings.Join(again[row], ", "))
	}
}

// foundRows are the rows that campaigns in a state directory filed, each with its finding, and the machine that showed them.
func foundRows(t *testing.T, stressd, state, target string) (found map[int]string, m corpus.Machine) {
	t.Helper()
	out, code := command(t, stressd, "list", "--state", state, "--json")
	if code != exitOK {
		t.Fatalf("list: exit code %d", code)
	}
	found = map[int]string{}
	for line := range strings.Lines(out) {
		var l campaign.Listed
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if m = machineOf(&l.Meta, target); l.KnownBug == 0 {
			t.Logf("a finding that no known bug explains: %s", l.Title)
			continue
		}
		found[l.KnownBug] = l.ID
	}
	return found, m
}

// missed says which bugs that the seeds claim for a machine were not found.
func missed(found map[int]string, m corpus.Machine) (list []string) {
	for row, seeds := range marked() {
		if row < visorRows && found[row] == "" && slices.ContainsFunc(seeds, func(s *corpus.Scenario) bool { return claims(s, row, m) }) {
			list = append(list, fmt.Sprintf("row %d, which %s claims for %s on %s, is not found", row, seeds[0].Name, m.Release, m.Arch))
		}
	}
	return list
}

// buildStressd builds stressd as machines need it, for an architecture by Go's name, "" for this one.
func buildStressd(t *testing.T, out, arch string) {
	t.Helper()
	build := exec.Command("go", "build", "-o", out, ".")
	if build.Env = append(os.Environ(), "CGO_ENABLED=0"); arch != "" {
		build.Env = append(build.Env, "GOARCH="+arch)
	}
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build stressd for %q: %v\n%s", arch, err, text)
	}
}

// TestTrackRecordVisor: gVisor still differs from Linux where the seeds say so, and nowhere else in them.
func TestTrackRecordVisor(t *testing.T) {
	testAll(t, "it runs a hundred scenarios in gVisor")
	if _, err := exec.LookPath("runsc"); err != nil {
		t.Skipf("SKIPPED, not passed: %v (docs/machines.md says how to install it)", err)
	}
	stressd := filepath.Join(t.TempDir(), "stressd")
	buildStressd(t, stressd, "")
	files := seedFiles(t)
	args := []string{"check", "--target", "exec:runsc --network=none --ignore-cgroups do " + crashers.Quote(stressd) + " agent"}
	for _, s := range corpus.Seeds() {
		if len(s.Known(corpus.Machine{System: engine.GVisor, Root: true})) > 0 {
			args = append(args, files[s.Name])
		}
	}
	if out, code := command(t, stressd, args...); code != exitOK {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// machineOf is the machine on which a finding was made.
func machineOf(m *crashers.Meta, target string) corpus.Machine {
	machine := corpus.Machine{Release: strings.TrimPrefix(m.Kernel, "Linux "), Arch: m.Arch, Root: true}
	if strings.HasPrefix(target, stress.KindUML) {
		machine.System = engine.UserModeLinux
	}
	if target == stress.KindHost {
		machine.Root = os.Geteuid() == 0
	}
	return machine
}

// claims says whether a scenario is sure to show a row on a machine, where it runs.
func claims(s *corpus.Scenario, row int, m corpus.Machine) bool {
	return s.RunsOn(m) && slices.ContainsFunc(s.Known(m), func(k corpus.KnownBug) bool {
		return k.Row == row && !slices.Contains(k.Shows, corpus.SignNothing)
	})
}
