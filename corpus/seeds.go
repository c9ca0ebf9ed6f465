package corpus

import (
	"embed"
	"fmt"
	"sync"
)

//go:embed seeds
var seedFiles embed.FS

// Seeds returns the embedded scenarios, by file name. They are shared: Clone before changing one.
var Seeds = sync.OnceValue(func() []*Scenario {
	var out []*Scenario
	entries, err := seedFiles.ReadDir("seeds")
	if err != nil {
		panic(err) // embedded: it cannot fail
	}
	for _, e := range entries {
		name := "seeds/" + e.Name()
		text, err := seedFiles.ReadFile(name)
		if err != nil {
			panic(err)
		}
		s, err := Parse(name, text)
		if err != nil {
			panic(fmt.Errorf("embedded seed: %w", err)) // the tests parse them all
		}
		out = append(out, s)
	}
	return out
})

// Equal says whether two scenarios are the same, comments and names included.
func Equal(a, b *Scenario) bool { return string(a.Print()) == string(b.Print()) }
