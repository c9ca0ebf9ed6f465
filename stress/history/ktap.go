package history

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// KTAP is one line of a KTAP report: what one scenario's runs came to.
type KTAP struct {
	Name string
	OK   bool
	Skip string   // not empty: the scenario was not run, and this is why
	Diag []string // diagnostics, printed before the result as kernel selftests do
}

// WriteKTAP writes a report in the kernel's Test Anything Protocol, version 1.
func WriteKTAP(w io.Writer, tests []KTAP) error {
	bw := bufio.NewWriter(w)
	fmt.Fprintf(bw, "KTAP version 1\n1..%d\n", len(tests))
	for i, t := range tests {
		for _, d := range t.Diag {
			for l := range strings.Lines(d) {
				fmt.Fprintf(bw, "# %s\n", Printable(strings.TrimRight(l, "\r\n")))
			}
		}
		result := "not ok"
		if t.OK || t.Skip != "" {
			result = "ok"
		}
		// A '#' in a name would begin a directive.
		fmt.Fprintf(bw, "%s %d %s", result, i+1, strings.ReplaceAll(Printable(t.Name), "#", "_"))
		if t.Skip != "" {
			fmt.Fprintf(bw, " # SKIP %s", Printable(t.Skip))
		}
		bw.WriteByte('\n')
	}
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("write KTAP: %w", err)
	}
	return nil
}
