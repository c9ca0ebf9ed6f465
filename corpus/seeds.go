package corpus

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// Seeds returns the embedded scenarios, by file name, whatever their topics. They are shared: Clone before changing one.
// A program that go-fuzz-build makes has none.
var Seeds = sync.OnceValue(func() []*Scenario {
	var out []*Scenario
	for _, name := range seedPaths() {
		text, err := seedFiles.ReadFile(name)
		if err != nil {
			panic(err) // embedded: it cannot fail
		}
		s, err := Parse(name, text)
		if err != nil {
			panic(fmt.Errorf("embedded seed: %w", err)) // the tests parse them all
		}
		out = append(out, s)
	}
	return out
})

// seedPaths are the embedded files, seeds/TOPIC/NAME.scn. Their order is that of the names alone: a seed that moves to
// another topic leaves what is drawn from all of them as it was.
func seedPaths() []string {
	paths, err := fs.Glob(seedFiles, "seeds/*/*.scn")
	if err != nil {
		panic(err) // a pattern that is constant
	}
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(path.Base(a), path.Base(b)) })
	return paths
}

// SeedTopics returns the topic (the folder) of each seed, by name.
var SeedTopics = sync.OnceValue(func() map[string]string {
	topics := map[string]string{}
	for _, name := range seedPaths() {
		topics[strings.TrimSuffix(path.Base(name), ".scn")] = path.Base(path.Dir(name))
	}
	return topics
})

// Equal says whether two scenarios are the same, comments and names included.
func Equal(a, b *Scenario) bool { return string(a.Print()) == string(b.Print()) }
