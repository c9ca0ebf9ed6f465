// Package readers has the fuzz targets of everything that reads what other people and machines wrote: scenarios, consoles, histories,
// crashers, corpora, names, what agents send. They are like those of package fuzz, return what those return, and panic in words; each
// also bounds what one input may make its reader allocate (package memory).
//
// It is apart from package fuzz because native fuzzing clears, rounds and compares a counter for each edge of all that a target's package
// imports, after each run: readers bring encoding/json, regexp and debug/elf along, which would take a fifth of the rate of targets that run
// scenarios.
package readers

import "fmt"

// What a target returns, as go-fuzz wants it.
const (
	keep    = 1  // something was read: prefer it as an ancestor
	neutral = 0  // refused, or dull
	never   = -1 // not to be added to the corpus, whatever it covers
)

// violated is how a target fails.
func violated(target, format string, args ...any) {
	panic(fmt.Sprintf("%s: %s", target, fmt.Sprintf(format, args...)))
}
