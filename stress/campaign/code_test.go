package campaign

import (
	"strings"
	"testing"

	"tracehammer/stress/coverage"
	"tracehammer/vm"
)

// TestKernelCode: blocks are counted by function, and what is missing is said by its distance.
func TestKernelCode(t *testing.T) {
	functions := []vm.Function{{Name: "never", Addr: 0x900, Blocks: []uint64{0x905}}, {Name: "ptrace_detach", Addr: 0x1000, Blocks: []uint64{0x1005, 0x1010, 0x1020}}}
	var set coverage.Set
	for _, b := range []uint64{0x1005, 0x1020, 0x7000} {
		set.Add(coverage.Feature{Kind: coverage.Block, A: b})
	}
	var b strings.Builder
	if err := (CodeText{Out: &b, Missing: true}).Report(TargetCode{"uml", *codeOf(functions, &set)}); err != nil {
		t.Fatal(err)
	}
	const want = `uml: 2 of 4 blocks of the instrumented code (50 %), in 1 of 2 functions
 66 %    2 of    3  ptrace_detach +0x10
  0 %    0 of    1  never
`
	if b.String() != want {
		t.Errorf("got\n%s\nexpected\n%s", &b, want)
	}
}
