package campaign

import (
	"errors"
	"fmt"
	"os"

	"tracehammer/corpus"
)

// Load parses and checks scenario files; without any it returns the built-in seeds. All errors are returned together.
func Load(files []string) ([]*corpus.Scenario, error) {
	if len(files) == 0 {
		return corpus.Seeds(), nil
	}
	var all []*corpus.Scenario
	var bad error
	for _, f := range files {
		s, err := loadOne(f)
		if err != nil {
			bad = errors.Join(bad, err)
			continue
		}
		all = append(all, s)
	}
	return all, bad
}

func loadOne(file string) (*corpus.Scenario, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	s, err := corpus.Parse(file, text)
	if err != nil {
		return nil, err
	}
	return s, s.Validate()
}
