//go:build !agent

package main

import (
	"time"

	"github.com/alecthomas/kong"

	"tracehammer/crashers"
	"tracehammer/stress/campaign"
)

const description = `stressd races ptrace, signals, exec, exit and wait against each other on a simulated kernel
and on real ones, checks every recorded run against the simulated kernel (the engine), and
files what no execution of the engine explains: a minimal scenario, how often it shows, and a
C program that shows it alone.

Try:
  stressd doctor                                        can this machine run it?
  stressd run --for 60s --target host                   race this machine's kernel
  stressd list                                          what was filed
  stressd show ID                                       one finding in full
  stressd repro ID --times 10                           does it still show? (for git bisect run)
  stressd explore corpus/seeds/attach/attach-detach.scn all that may happen in a scenario

Exit codes:
  0 nothing new   1 usage or internal error   2 new findings   3 this environment cannot run it
  4 partly skipped (with --strict)   5 regression: a fixed finding is back
  130, 143 interrupted by SIGINT, SIGTERM after a clean stop (a second signal ends it at once)
  repro: 0 not shown   1 shown   125 cannot tell

Findings go to the state directory: --state, else $XDG_STATE_HOME/tracehammer or
~/.local/state/tracehammer. Kernels for machines are kept in $XDG_CACHE_HOME/tracehammer or
~/.cache/tracehammer. Nothing is written elsewhere.`

type cli struct {
	Version kong.VersionFlag `help:"Print the version and leave."`

	Run      runCmd      `cmd:"" help:"Race scenarios and their variations on targets; file what is found."`
	Init     initCmd     `cmd:"" help:"Write a campaign file for this machine."`
	Worker   workerCmd   `cmd:"" help:"Take part in a campaign that another stressd shares."`
	Status   statusCmd   `cmd:"" help:"Say how the campaign of a state directory does, or how far the last one came."`
	Check    checkCmd    `cmd:"" help:"Validate scenario files: parse, explore on the engine, compare with what they expect."`
	Matrix   matrixCmd   `cmd:"" help:"Run scenarios on several targets, and say where they differ and why."`
	Explore  exploreCmd  `cmd:"" help:"List all outcomes of a scenario on the engine."`
	Repro    reproCmd    `cmd:"" help:"Run a filed finding again; exit 1 shown, 0 not shown, 125 cannot tell."`
	Minimize minimizeCmd `cmd:"" help:"Go on making a filed finding's scenario smaller."`
	Triage   triageCmd   `cmd:"" help:"Go through new findings: reproduce, minimize, compare, since when; or file what fuzzers found."`
	List     listCmd     `cmd:"" help:"List what was filed."`
	Close    closeCmd    `cmd:"" help:"Close a finding: as fixed, if runs do not show it any more, as invalid or as a duplicate."`
	Reopen   reopenCmd   `cmd:"" help:"Open a finding that was closed or is back."`
	Mark     markCmd     `cmd:"" help:"Say who looks after a finding, what is known of it, or where it stands."`
	Show     showCmd     `cmd:"" help:"Show a finding: scenario, history, explanation, how to run it again."`
	Report   reportCmd   `cmd:"" help:"What is new since yesterday, what is still there, what was tried: text, HTML or JSON."`
	Serve    serveCmd    `cmd:"" help:"Show the state directory as pages in a browser, and as metrics."`
	File     fileCmd     `cmd:"" help:"Write findings as a mail draft, an issue, SARIF or JUnit; nothing is sent."`
	Bugs     bugsCmd     `cmd:"" help:"List the engine's planted bugs, or measure which of them the oracles see."`
	Rules    rulesCmd    `cmd:"" help:"List the rules of ptrace: where they are implemented, what shows them, how often runs went through them."`
	Coverage coverageCmd `cmd:"" help:"Show how much of a kernel's code the last campaign went through, by function."`
	Agent    agentCmd    `cmd:"" help:"Serve another stressd on standard input and output: what --target exec:COMMAND starts."`
	Corpus   corpusCmd   `cmd:"" help:"Convert, merge, minimize and count corpora: scenarios and what fuzzers keep."`
	VM       vmCmd       `cmd:"" name:"vm" help:"Machines: boot them, fetch kernels for them, run programs in them."`
	Doctor   doctorCmd   `cmd:"" help:"Say what this machine can run, and what to do about what it cannot."`
}

// stateFlag is shared by the commands that read or write findings.
type stateFlag struct {
	State string `placeholder:"DIR" help:"State directory (default: $$XDG_STATE_HOME/tracehammer or ~/.local/state/tracehammer)."`
}

type jsonFlag struct {
	JSON bool `help:"Write JSON, one object a line, each with \"schema\" and \"event\"."`
}

// profileFlag is shared by the commands that run the engine.
type profileFlag struct {
	Profile string `placeholder:"PROFILE" help:"Kernel that the engine simulates: linux-6.1, linux-6.18/arm64, utrace-2009, gvisor (default: linux-6.18)."`
}

type runCmd struct {
	profileFlag
	Campaign string         `placeholder:"FILE" help:"Campaign file, as stressd init writes it; flags win over it."`
	For      *time.Duration `help:"How long; 0 until interrupted (default: 60s)."`
	Runs     uint64         `placeholder:"N" help:"End when each target has made so many runs, if that is sooner; findings are made minimal until --for is over (default: no such end)."`
	Target   []string       `sep:"none" placeholder:"TARGET" help:"Where to run: engine, live, host, uml, qemu:ARCH, exec:COMMAND. Repeat it for several (default: engine and host)."`
	Seed     *uint64        `help:"Seed of everything random (default: drawn; the summary prints it)."`
	Workers  int            `help:"Workers per target (default: one for each two CPUs)."`
	Memory   campaign.Size  `placeholder:"SIZE" help:"Memory that stressd may use, machines not counted (default: 512MiB)."`
	Disk     campaign.Size  `placeholder:"SIZE" help:"Space that the state directory may take; kept scenarios go first, then histories of old findings, never a finding (default: 2GiB)."`
	Fresh    bool           `help:"Begin a new campaign, even if one was stopped or killed that could go on."`
	Strict   bool           `help:"Exit with 4 when something was skipped."`
	runFleet
	KTAP bool `name:"ktap" xor:"format" help:"Write a KTAP report of the scenarios on stdout at the end."`
	JSON bool `xor:"format" help:"Write events as JSON lines on stdout; the last one is the summary."`
	stateFlag
	webFlags
	Files []string `arg:"" optional:"" help:"Scenario files (default: the built-in seeds)."`
}

func (runCmd) Help() string {
	return `Every seed scenario runs first, then variations of them until the time is up: other operations, other delays, other CPUs. Each run is recorded and judged. A violation is run again, made minimal (at most about 10 s each, while the race goes on) and filed once.

Examples:

    stressd run --for 60s
    stressd run --for 8h --target host --state /var/tmp/night
    stressd run --for 10m --runs 20000 --target host --strict
    stressd init night.toml; stressd run --campaign night.toml
    stressd run --for 10m --target host --json > events.jsonl
    stressd run --for 0 --target engine corpus/seeds/exec/*.scn

Target live is the engine with a goroutine for each actor in place of a drawn schedule: what it shows is a bug of ours.

What was stopped or killed goes on: the same targets and scenarios on the same kernel, with the same state directory, are the same campaign until its time is over. What it had leased when it was killed is run again (some 5 s of work), and no finding is lost.

A finding that is fixed (stressd close --as fixed) and shows again is a regression (exit 5), until somebody reopens it or closes it again.

On stderr, a status line: time and end, runs and rate of each target, distinct outcomes with the age of the last new one, share of runs that the checker could not decide (unknown), findings. On stdout, findings and the summary.`
}

type checkCmd struct {
	jsonFlag
	profileFlag
	Marks  bool     `help:"Say at the end how often each rule was exercised."`
	Target []string `sep:"none" placeholder:"TARGET" help:"Where to check: engine, live, host, uml, qemu:ARCH, exec:COMMAND. Repeat it for several (default: engine)."`
	Files  []string `arg:"" help:"Scenario files."`
}

func (checkCmd) Help() string {
	return `Errors are file:line:column and what was expected there. On the engine every outcome of a scenario is explored and compared with the scenario's expectations; with --target host it runs there as well, and each history must be one that the engine admits, unless the scenario is marked known-bug for this kernel: then it must differ.

Examples:

    stressd check corpus/seeds/*/*.scn
    stressd check --target host my.scn`
}

type matrixCmd struct {
	jsonFlag
	stateFlag
	Target    []string `sep:"none" placeholder:"TARGET" help:"Columns: engine, live, host, uml, qemu:ARCH, exec:COMMAND. Repeat it (default: engine, host and all machines of stressd vm list)."`
	Reference string   `default:"linux-6.18" placeholder:"PROFILE" help:"Kernel that every target is compared with (default: ${default})."`
	Markdown  string   `type:"path" placeholder:"FILE" help:"Write the table there, as Markdown."`
	HTML      string   `name:"html" type:"path" placeholder:"FILE" help:"Write the table there, as a page."`
	Strict    bool     `help:"Exit with 4 when a target cannot run here."`
	Files     []string `arg:"" optional:"" help:"Scenario files (default: the built-in seeds)."`
}

func (matrixCmd) Help() string {
	return `Every scenario is checked on every target as stressd check does. What a target shows and the reference kernel would not is a difference: it is explained by those behaviours of the target's profile (stressd rules --profile) without which its own kernel would not show it either. One that the model with a known bug explains is that bug. What nothing explains is filed as a finding, and the exit code is 2.

Examples:

    stressd matrix --target host --target uml --target qemu:arm64 corpus/seeds/attach/*.scn
    stressd matrix --target engine,engine:linux-5.10,engine:gvisor --html matrix.html`
}

type exploreCmd struct {
	jsonFlag
	profileFlag
	Limit       int     `default:"2000000" help:"Stop after so many states."`
	NoReduction bool    `help:"Visit every state, also those that lead to no other outcomes."`
	NoSymmetry  bool    `help:"Tell actors apart whose code is alike."`
	Strategy    string  `placeholder:"STRATEGY" help:"Do not walk all executions, but sample some: random, pct, pct:DEPTH, pos, urw, surw, portfolio, replay:STREAM, mutate:STREAM, along:STREAM."`
	Runs        int     `default:"10000" help:"With --strategy: how many runs to make."`
	Seed        *uint64 `help:"With --strategy: seed of the runs (default: drawn, and printed)."`
	File        string  `arg:"" help:"Scenario file."`
}

func (exploreCmd) Help() string {
	return `Walks every interleaving of the scenario on the engine, but for those that differ only in the order of steps that nobody can tell apart, or in which of several actors of alike code does what. Prints each distinct outcome (the results of all calls), who waits for whom where it is stuck, the number of states seen, and whether these are all.

With --strategy it makes some runs instead, and prints how often each outcome came, a schedule that shows it again, and for PCT how likely a bug was missed.

Examples:

    stressd explore corpus/seeds/attach/attach-detach.scn
    stressd explore --strategy pct:3 --runs 100000 corpus/seeds/attach/race-attach-exec.scn`
}

type reproCmd struct {
	stateFlag
	jsonFlag
	Target  string `placeholder:"TARGET" help:"Where to run: engine, live, host, uml, qemu:ARCH, exec:COMMAND (default: where it was found)."`
	Times   int    `default:"10" help:"How many runs to try; it stops at the first that shows the finding."`
	Verbose bool   `short:"v" help:"Draw the run that shows it, with why."`
	ID      string `arg:"" help:"Finding, as in list; a unique beginning will do."`
}

func (reproCmd) Help() string {
	return `Exit codes: 1 shown, 0 not shown, 125 cannot tell (no such finding, target not usable here): fit for git bisect run.

Examples:

    stressd repro 3f2a --times 100
    git bisect run ./build-boot-and-run.sh stressd repro 3f2a`
}

type minimizeCmd struct {
	stateFlag
	For time.Duration `default:"60s" help:"How long to try."`
	ID  string        `arg:"" help:"Finding, as in list; a unique beginning will do."`
}

type listCmd struct {
	stateFlag
	jsonFlag
	StateOf []crashers.State `name:"state-of" placeholder:"STATE" help:"Only findings in these states: new, open, reproducing, known, fixed, regressed, invalid, duplicate (default: all)."`
}

func (listCmd) Help() string {
	return `Examples:

    stressd list
    stressd list --state-of new,regressed
    stressd list --state-of new --json | jq -r .id`
}

type showCmd struct {
	stateFlag
	jsonFlag
	ID string `arg:"" help:"Finding, as in list; a unique beginning will do."`
}

type reportCmd struct {
	stateFlag
	jsonFlag
	Since time.Duration `placeholder:"DURATION" help:"Report on the campaigns that ended within that time, 12h for example (default: on the last one)."`
	HTML  string        `name:"html" type:"path" placeholder:"FILE" help:"Write a page there besides."`
}

func (reportCmd) Help() string {
	return `Findings are new, back although closed, still there, or not seen this time. Then what the campaigns ran on each target, and whether the suite was well: how many runs could not be judged, how often machines were lost, and whether the canary was seen, a planted bug that each campaign looks for beside its work.

Examples:

    stressd report
    stressd report --since 12h --html report.html`
}

type fileCmd struct {
	stateFlag
	As         string   `enum:"mail,mbox,markdown,sarif,junit" default:"mail" help:"Form: ${enum} (default: ${default})."`
	From       string   `placeholder:"ADDRESS" help:"Of a mail: who writes, \"Name <address>\"; it adds a Reported-by."`
	To         []string `sep:"none" placeholder:"ADDRESS" help:"Of a mail: to whom (default: linux-kernel@vger.kernel.org). Repeat it for several."`
	Cc         []string `sep:"none" placeholder:"ADDRESS" help:"Of a mail: to whom else."`
	InReplyTo  string   `name:"in-reply-to" placeholder:"ID" help:"Of a mail: the message that it answers."`
	ReportedBy []string `name:"reported-by" sep:"none" placeholder:"ADDRESS" help:"Of a mail: whom a fix is to name (default: who writes). Repeat it for several."`
	Config     string   `type:"path" placeholder:"FILE" help:"Of a mail or an issue: the kernel's configuration, of which the lines that matter are told (default: that of this machine's kernel, of an installed User Mode Linux or of a kernel in the cache, if it showed the finding)."`
	IDs        []string `arg:"" optional:"" name:"id" help:"Findings, as in list; a unique beginning will do (default: all; a mail or an issue is about one)."`
}

func (fileCmd) Help() string {
	return `Writes to standard output, for the user's own tools: git send-email and any mail program take the mail, gh and glab the issue, CI servers SARIF and JUnit. In those two a known kernel bug is a note or a skipped test, and a closed finding is suppressed or skipped. A mail and an issue also say on which kernels stressd triage tried it.

scripts/get_maintainer.pl -f kernel/ptrace.c of a kernel's source tells who wants a copy.

Examples:

    stressd file c313 --from "Jane Doe <jane@example.org>" > bug.eml && git send-email --to=linux-kernel@vger.kernel.org bug.eml
    stressd file c313 --as markdown | gh issue create --title "$(stressd show c313 --json | jq -r .title)" --body-file -
    stressd file --as sarif > findings.sarif
    stressd file --as junit > findings.xml`
}

type bugsCmd struct {
	jsonFlag
	Hunt    bool          `name:"run" help:"Hunt each bug with every oracle."`
	For     time.Duration `default:"5m" help:"With --run: how long in total, shared out over the bugs."`
	Seed    *uint64       `help:"With --run: seed of everything random (default: drawn; the summary prints it)."`
	Workers int           `help:"With --run: bugs hunted at a time (default: one for each CPU)."`
	Bugs    []string      `arg:"" optional:"" name:"bug" help:"Bugs, by name (default: all)."`
}

func (bugsCmd) Help() string {
	return `A planted bug is a mistake that a kernel has made or that the rules forbid, which the engine makes when it is told to: the oracles are measured by how many of these they see. Without --run, lists their names, where they come from (row: list of known bugs; R rule, S and L invariant, H quirk of utrace) and what they do.

With --run, an engine with the bug runs the built-in seeds and variations of them; every run is judged by three oracles of the engine without it: invariants (a broken state), liveness (a run that stands still where it could go on), history (what actors logged is what no execution shows). For each bug: who saw it first and who else, after how many schedules and how much time of one CPU, and the size of the minimal scenario, whose run must show what was seen first, and nothing on the engine without the bug. Nothing is filed.

Exit codes: 0 every bug was seen, 1 some were missed, or a minimal scenario may be another bug's.

Examples:

    stressd bugs
    stressd bugs --run --for 5m
    stressd bugs --run --for 10s --json exitkill-ignored`
}

type rulesCmd struct {
	jsonFlag
	From    string `placeholder:"DIR" help:"State directory: also say how often its last campaign's runs went through each rule."`
	Profile string `placeholder:"PROFILE" help:"Also what differs on such a kernel, by rule, with its source."`
	Missing bool   `help:"Only rules that lack code, or a scenario or test, or (with --from) runs."`
}

func (rulesCmd) Help() string {
	return `The rules are those of the executable specification: R1 to R113 say what ptrace, signals, exec, exit and wait do on Linux, U, O and C rules what utrace does, H are its hard cases. E: seen on a real kernel; S: read in source or documentation. A rule is found in the code by the comments that cite it and by the marks that count it, in scenarios by their rules lines.

The engine counts the rules that it goes through. A run on a kernel counts those of the execution that explains it.

Examples:

    stressd rules
    stressd rules --missing
    stressd rules --profile linux-5.10
    stressd run --for 60s --state /tmp/state; stressd rules --from /tmp/state --missing
    stressd check --marks --target host corpus/seeds/*/*.scn`
}

type coverageCmd struct {
	stateFlag
	jsonFlag
	Missing bool `help:"Also the blocks of functions that were entered which no run went through, by their distance from the function's address."`
}

func (coverageCmd) Help() string {
	return `A kernel with KCOV says which blocks of its code actors went through: not what a task does in its exit, and nothing in scenarios whose tracers see system calls of actors that begin. Blocks are told by the kernel's file with its symbols, as vm build-uml makes it. Code that is new keeps a scenario, as new results do.

Examples:

    stressd run --for 2m --target uml:./linux --state /tmp/state; stressd coverage --state /tmp/state
    stressd coverage --missing --state /tmp/state`
}

type agentCmd struct{}

func (agentCmd) Help() string {
	return `A target exec:COMMAND is a kernel elsewhere: stressd starts COMMAND with a shell, and COMMAND has to run "stressd agent" there and to carry its standard input and output as they are: ssh without a terminal, a container, a console of a machine. The agent runs the actors, the stressd that started it judges. Both must be the same version. stressd is one static binary:

    CGO_ENABLED=0 go build -o stressd ./cmd/stressd; scp stressd board:
    stressd run --for 10m --target 'exec:ssh -T board ./stressd agent'`
}

type corpusCmd struct {
	Convert  convertCmd        `cmd:"" help:"Write inputs in another format, without loss."`
	Merge    mergeCmd          `cmd:"" help:"Add to a directory what covers something new."`
	Minimize minimizeCorpusCmd `cmd:"" help:"Choose as few inputs as cover what all of them cover."`
	Stats    statsCmd          `cmd:"" help:"Count what is in a corpus, what it covers, and what generated scenarios do."`
}

// formatFlag says how inputs are written.
type formatFlag struct {
	To string `default:"text" placeholder:"FORMAT" help:"Format to write: text, native, go-fuzz, raw (default: text)."`
}

// measureFlag says how coverage is measured.
type measureFlag struct {
	Runs int    `default:"64" help:"Schedules of a scenario that are run to see what it covers. An input with a schedule has one run."`
	Seed uint64 `default:"1" help:"Seed of the schedules."`
}

type convertCmd struct {
	jsonFlag
	formatFlag
	Out   string   `required:"" placeholder:"DIR" help:"Directory to write to."`
	Paths []string `arg:"" name:"path" help:"Files, or directories of them."`
}

func (convertCmd) Help() string {
	return `Formats are text (scenario files, NAME.scn), native (testdata/fuzz/FuzzX of go test -fuzz), go-fuzz (a work directory with corpus/ and crashers/), and raw (files of bytes, as libFuzzer keeps them). What is read is told by itself; bytes are those of FuzzPtrace and FuzzChecker, but only text looks into them.

An input that is converted and converted back is what it was, byte by byte. As text it says in comments which profile and schedule it had. A scenario that becomes bytes loses the names and comments in it, and nothing else; as bytes it is one run, under the fair schedule, unless its text has a schedule.

Examples:

    stressd corpus convert --to native --out fuzz/testdata/fuzz/FuzzPtrace corpus/seeds
    stressd corpus convert --out crashes gofuzz/crashers
    stressd corpus convert --to raw --out libfuzzer fuzz/testdata/fuzz/FuzzPtrace`
}

type mergeCmd struct {
	jsonFlag
	formatFlag
	measureFlag
	Out   string   `required:"" placeholder:"DIR" help:"Directory to add to; what it holds stays."`
	Paths []string `arg:"" name:"path" help:"Files, or directories of them."`
}

func (mergeCmd) Help() string {
	return `Runs every input on the engine and writes, in the order of paths and names, those that go through a rule, a pair of rules of two actors, a result or a sequence of two results that neither the directory nor an earlier input goes through.

Examples:

    stressd corpus merge --out corpus state/corpus/host state/corpus/engine
    stressd corpus merge --to native --out fuzz/testdata/fuzz/FuzzPtrace "$(go env GOCACHE)/fuzz/tracehammer/fuzz/FuzzPtrace"`
}

type minimizeCorpusCmd struct {
	jsonFlag
	formatFlag
	measureFlag
	Out    string   `xor:"where" required:"" placeholder:"DIR" help:"Directory to write the chosen ones to."`
	DryRun bool     `xor:"where" required:"" help:"Write nothing, but say what would be chosen."`
	Paths  []string `arg:"" optional:"" name:"path" help:"Files, or directories of them (default: the built-in seeds)."`
}

func (minimizeCorpusCmd) Help() string {
	return `Chooses greedily: first the input that covers most (rules, pairs of rules of two actors, results, sequences of two results), then always the one that adds most, of equals the one with fewer operations. What the later ones make superfluous is taken out again. The same inputs, runs and seed always give the same choice.

Examples:

    stressd corpus minimize --out small --to native fuzz/testdata/fuzz/FuzzPtrace
    stressd corpus minimize --dry-run`
}

type statsCmd struct {
	jsonFlag
	measureFlag
	Target    []string `placeholder:"TARGET" help:"Run the scenarios there as well and say which rules they go through: live, host. Repeat it for several."`
	Generated int      `default:"1000" help:"Scenarios to generate, of nothing and as variations, to see how much their operations do; 0 for none."`
	Paths     []string `arg:"" optional:"" name:"path" help:"Files, or directories of them (default: the built-in seeds)."`
}

func (statsCmd) Help() string {
	return `Counts inputs by topic (their folder) and by verb; says how many operations do something and how many the kernel refuses at once when inputs are run one operation after another, for the corpus and for generated scenarios; which rules the corpus goes through on the engine and, with --target host, on this machine's kernel (by the executions of the engine that explain its runs), and why others are missing.

Examples:

    stressd corpus stats
    stressd corpus stats --target host
    stressd corpus stats --generated 0 fuzz/testdata/fuzz/FuzzPtrace`
}

type doctorCmd struct {
	jsonFlag
}
