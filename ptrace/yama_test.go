package ptrace

import (
	"strings"
	"testing"

	"tracehammer/engine"
)

// R108: who may attach to whom, by Yama's level, by what relates the two, and by the caller's rights. Few machines that run
// these tests have Yama, so this is shown on the engine alone; the table is yama_ptrace_access_check and yama_ptrace_traceme.
func TestYama(t *testing.T) {
	const none, descendant, declared, declaredAny, withdrawn = "stranger", "descendant", "declared", "declared any", "withdrawn"
	allowed := map[engine.Yama]string{ // of relations, without CAP_SYS_PTRACE
		engine.YamaAbsent:     none + "," + descendant,
		engine.YamaClassic:    none + "," + descendant + "," + declared + "," + declaredAny + "," + withdrawn,
		engine.YamaRelational: descendant + "," + declared + "," + declaredAny,
		engine.YamaCapability: "",
		engine.YamaNoAttach:   "",
	}
	for level := engine.YamaAbsent; level <= engine.YamaNoAttach; level++ {
		for _, relation := range []string{none, descendant, declared, declaredAny, withdrawn} {
			for _, capable := range []bool{false, true} {
				b := program("main", "child", "other").create("main", "child", forkFlags).create("main", "other", forkFlags).barrier("child", "other")
				tracer := "other"
				if relation == descendant {
					tracer = "main"
				}
				if !capable {
					b.do("main", engine.CallSetresuid, 1000).do("other", engine.CallSetresuid, 1000)
				}
				b.do("child", engine.CallSetresuid, 1000).do("child", engine.CallPrctl, engine.PR_SET_DUMPABLE, 1)
				prctl := "EINVAL" // nobody knows it without Yama
				if level != engine.YamaAbsent {
					prctl = "0"
				}
				want := map[string]string{"child": "0 0"}
				declare := func(to any) {
					b.do("child", engine.CallPrctl, engine.PR_SET_PTRACER, to)
					want["child"] += " " + prctl
				}
				switch relation {
				case declared:
					declare(b.tid("other"))
				case declaredAny:
					declare(engine.PR_SET_PTRACER_ANY)
				case withdrawn:
					declare(b.tid("other"))
					declare(0)
				}
				b.barrier("main", "child", "other").ptrace(tracer, Seize, "child", 0, 0)
				result := "EPERM"
				if level != engine.YamaNoAttach && (capable || level == engine.YamaAbsent || strings.Contains(","+allowed[level]+",", ","+relation+",")) {
					result = "0"
				}
				if !capable {
					want["main"], want["other"] = "0", "0"
				}
				want[tracer] = strings.TrimSpace(want[tracer] + " " + result)
				x := explore(t, b.done(), engine.Options{Profile: engine.Profile{Yama: level}})
				line := normal(want["main"] + "|" + want["child"] + "|" + want["other"])
				if got := x.list(); len(got) != 1 || got[0] != line {
					t.Errorf("level %d, %s, capable %v: %q, want %q", level, relation, capable, got, line)
				}
			}
		}
	}
}

// R11 R108: TRACEME asks for the parent's rights at level 2, and is refused at level 3; who is already traced by the caller's
// process may be looked at, but has its tracer.
func TestYamaTraceme(t *testing.T) {
	for level := engine.YamaAbsent; level <= engine.YamaNoAttach; level++ {
		for _, capable := range []bool{false, true} {
			b := two()
			want := "0"
			if !capable {
				b.do("main", engine.CallSetresuid, 1000)
				b.do("child", engine.CallSetresuid, 1000)
				b.barrier("main", "child")
			}
			b.ptrace("child", Traceme, "child")
			if level == engine.YamaNoAttach || level == engine.YamaCapability && !capable {
				want = "EPERM"
			}
			for _, l := range explore(t, b.done(), engine.Options{Profile: engine.Profile{Yama: level}}).list() {
				if child := strings.Fields(l[strings.Index(l, "|")+1:]); child[len(child)-1] != want {
					t.Errorf("level %d, capable %v: %s, want %s", level, capable, l, want)
				}
			}
		}
	}
}
