package fuzz

import (
	"fmt"
	"os"

	"tracehammer/engine"
)

// BugsVar is the environment variable that switches planted bugs on, by names as stressd bugs lists them, joined by commas:
// a fuzzer must find them. It is never silent: whatever runs a target says on stderr which are on.
const BugsVar = "TRACEHAMMER_BUG"

// bugs are the planted bugs of the engine that runs the inputs. That of the oracle never has any.
var bugs = func() engine.BugSet {
	names := os.Getenv(BugsVar)
	set, err := engine.ParseBugs(names)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", BugsVar, err)
		os.Exit(1)
	}
	if set != (engine.BugSet{}) {
		fmt.Fprintf(os.Stderr, "%s: the engine has planted bugs: %v\n", BugsVar, set)
	}
	return set
}()
