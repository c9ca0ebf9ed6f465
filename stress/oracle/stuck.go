package oracle

import (
	"strings"

	"tracehammer/engine"
)

// DescribeStuck says of a world of the engine in which nothing can happen any more who waits for whom, one line each. The
// title names the cycle in which tasks wait for each other, and not only for peers that the interface lets them wait for;
// it is "" if all waits are documented ones.
func DescribeStuck(p *engine.Program, waits []engine.Wait) (title string, lines []string) {
	if cycle := findCycle(waits); cycle != nil {
		title = "hang: " + cycleTitle(cycle)
	}
	for l := range strings.Lines(describeWaits(p, waits)) {
		lines = append(lines, strings.TrimSpace(l))
	}
	return title, lines
}
