package corpus

import (
	"fmt"
	"strings"
	"testing"
)

// Bytes say all of the longest scenarios, too, and what comes behind their last operation.
func TestBytesOfTheLongest(t *testing.T) {
	head := "scenario full\nrules R3 R111\non linux>=4.0 root\nproc main\nproc p1 of main\n"
	barriers := ""
	for i := range MaxBarriers / 2 {
		barriers += fmt.Sprintf("barrier b%d main p1\n", i)
	}
	loops := func(actor string) string {
		return strings.Repeat(actor+": repeat 2 {\n", MaxDepth) + actor + ": getpid\n" + strings.Repeat(actor+": }\n", MaxDepth)
	}
	for name, text := range map[string]string{
		"operations": strings.Repeat("main: getpid\n", MaxOps),
		"statements": strings.Repeat("race 0..1us x2 {\n"+strings.Repeat(loops("main")+loops("p1"), MaxOps/MaxBarriers)+"}\n", MaxBarriers/2) + barriers,
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Parse("full", []byte(head+text))
			if err != nil {
				t.Fatal(err)
			}
			roundTrip(t, s)
		})
	}
}
