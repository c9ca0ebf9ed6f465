package campaign

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"tracehammer/stress/coverage"
	"tracehammer/vm"
)

// KernelCode is how much of a kernel's instrumented code runs went through: KCOV's blocks, by function.
type KernelCode struct {
	Covered   int            `json:"covered"`
	Of        int            `json:"of"`
	Functions []FunctionCode `json:"functions"`
}

// FunctionCode is that of one function.
type FunctionCode struct {
	Name    string  `json:"name"`
	Covered int     `json:"covered"`
	Of      int     `json:"of"`
	Missing []int64 `json:"missing,omitempty"` // blocks, by their distance from the function's address, negative in parts that lie before it
}

// codeOf says which of the blocks of functions are in a set.
func codeOf(functions []vm.Function, covered *coverage.Set) *KernelCode {
	c := &KernelCode{}
	for _, f := range functions {
		fc := FunctionCode{Name: f.Name, Of: len(f.Blocks)}
		for _, b := range f.Blocks {
			if covered.Has(coverage.Feature{Kind: coverage.Block, A: b}) {
				fc.Covered++
			} else {
				fc.Missing = append(fc.Missing, int64(b-f.Addr))
			}
		}
		c.Covered, c.Of = c.Covered+fc.Covered, c.Of+fc.Of
		c.Functions = append(c.Functions, fc)
	}
	return c
}

// code adds to the counts what their kernels' files say about the blocks. A file that says nothing leaves the number of blocks.
func (c *campaign) code(sum *Summary) {
	for i := range sum.PerTarget {
		n := &sum.PerTarget[i]
		for _, tm := range c.probed {
			if tm.name != n.Target || tm.symbols == "" || n.Coverage[coverage.Block.String()] == 0 {
				continue
			}
			if functions, err := vm.Instrumented(tm.symbols, blocksOf(n.covered)); err == nil {
				n.Code = codeOf(functions, n.covered)
			}
		}
	}
}

// blocksOf lists the blocks in a set, ascending.
func blocksOf(covered *coverage.Set) (blocks []uint64) {
	for _, f := range covered.All() {
		if f.Kind == coverage.Block {
			blocks = append(blocks, f.A)
		}
	}
	return blocks
}

// TargetCode is a target's KernelCode, as an event.
type TargetCode struct {
	Target string `json:"target"`
	KernelCode
}

// EventName implements Event.
func (TargetCode) EventName() string { return "code" }

// Code reports what the last campaign of a state directory went through of kernels' code.
func Code(state string, out Reporter) error {
	counts, err := lastCampaign(state)
	if err != nil {
		return err
	}
	some := false
	for _, c := range counts {
		if c.Code == nil {
			continue
		}
		some = true
		if err := out.Report(TargetCode{c.Target, *c.Code}); err != nil {
			return err
		}
	}
	if !some {
		return fmt.Errorf("the last campaign of %s saw no kernel's code: it needs a kernel with KCOV and the file with its symbols, such as vm build-uml makes", state)
	}
	return nil
}

// CodeText shows TargetCode to people: the functions with the most that is missing first.
type CodeText struct {
	Out     io.Writer
	Missing bool // say which blocks are missing
}

// Report implements Reporter.
func (t CodeText) Report(e Event) error {
	c, is := e.(TargetCode)
	if !is {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", c.Target, c.KernelCode.String())
	functions := slices.Clone(c.Functions)
	slices.SortStableFunc(functions, func(f, g FunctionCode) int { return cmp.Compare(g.Covered, f.Covered) })
	for _, f := range functions {
		fmt.Fprintf(&b, "%3d %% %4d of %4d  %s", percent(f.Covered, f.Of), f.Covered, f.Of, f.Name)
		if t.Missing && f.Covered > 0 {
			for _, m := range f.Missing {
				fmt.Fprintf(&b, " %+#x", m)
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(t.Out, b.String())
	return err
}

func (k *KernelCode) String() string {
	entered := 0
	for _, f := range k.Functions {
		if f.Covered > 0 {
			entered++
		}
	}
	return fmt.Sprintf("%d of %d blocks of the instrumented code (%d %%), in %d of %d functions", k.Covered, k.Of, percent(k.Covered, k.Of), entered, len(k.Functions))
}

func percent(n, of int) int { return 100 * n / max(of, 1) }
