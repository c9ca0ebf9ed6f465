package corpus

import (
	"fmt"
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
func seedPaths() (paths []string) {
	const root = "seeds"
	topics, _ := seedFiles.ReadDir(root) // embedded: it fails only where nothing is
	for _, t := range topics {
		files, _ := seedFiles.ReadDir(root + "/" + t.Name())
		for _, f := range files {
			if strings.HasSuffix(f.Name(), ".scn") {
				paths = append(paths, root+"/"+t.Name()+"/"+f.Name())
			}
		}
	}
	slices.SortFunc(paths, func(a, b string) int {
		_, x := topicAndFile(a)
		_, y := topicAndFile(b)
		return strings.Compare(x, y)
	})
	return paths
}

// topicAndFile takes the path of a seed apart.
func topicAndFile(path string) (topic, file string) {
	part := strings.Split(path, "/")
	return part[len(part)-2], part[len(part)-1]
}

// SeedTopics returns the topic (the folder) of each seed, by name.
var SeedTopics = sync.OnceValue(func() map[string]string {
	topics := map[string]string{}
	for _, path := range seedPaths() {
		topic, file := topicAndFile(path)
		topics[strings.TrimSuffix(file, ".scn")] = topic
	}
	return topics
})

// Equal says whether two scenarios are the same, comments and names included.
func Equal(a, b *Scenario) bool { return string(a.Print()) == string(b.Print()) }
