package fuzz

import (
	"tracehammer/engine"
	"tracehammer/fuzz/input"
	"tracehammer/ptrace"
	"tracehammer/stress/schedule"
)

// judgedShare: FuzzPtrace has the history of one input of so many judged.
const judgedShare = 16

var ptraceRunner = newRunner()

// FuzzPtrace runs a scenario with ptrace over utrace, on any of the engine's profiles, under the schedule that the input
// holds. It asserts:
//
//   - of every input, that no step breaks an invariant of section 7 of the rules, that nobody waits for what has happened once
//     nothing can happen any more (invariants L), that the engine does not panic;
//   - of one input of judgedShare, by a hash of its bytes, that the checker finds an execution that explains what the actors
//     logged. That alone finds a planted bug whose states are all legal; FuzzChecker does so with every input;
//   - of one input of longShare, that it does not run for ever without any actor getting on. The others are given up
//     after maxSteps steps.
func FuzzPtrace(data []byte) int {
	return fuzzPtrace("FuzzPtrace", data, share(data, judgedShare), false)
}

// FuzzChecker is FuzzPtrace with the history of every input judged, under the schedule of the input and input.Others drawn ones: what a
// fuzzer spends on an input, and on a scenario until it can run, is spent once for all of them. None of them may run for ever. It is slower by
// the time that all this takes, and finds what is seen in few schedules of a scenario when it comes by that. It alone also runs scenarios that grow of
// the bytes (gen.Grower), which is how it finds anything without a corpus.
func FuzzChecker(data []byte) int { return fuzzPtrace("FuzzChecker", data, true, true) }

func fuzzPtrace(target string, data []byte, judged, thorough bool) int {
	r := ptraceRunner
	defer r.guard(target)
	p, ok := r.load(data, thorough)
	if !ok {
		return never
	}
	ptrace.Load(&r.machine, p, engine.Options{Check: true, Profile: r.in.Profile.Engine(), Bugs: bugs})
	others, states := 0, maxStates
	if thorough {
		others, states, r.driver.Limit = input.Others, moreStates, longSteps
	}
	result := never
	for k := -1; k < others; k++ {
		if k >= 0 {
			r.in.Stream = input.Other(r.in.Stream, data, k)
		}
		if r.run(schedule.Replay(r.in.Stream)) == schedule.Endless {
			continue
		}
		if judged {
			r.judge(p, states)
		}
		if result = max(result, neutral); acted(&r.hist) {
			result = keep
		}
	}
	return result
}
