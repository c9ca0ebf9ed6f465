package campaign

import "tracehammer/corpus"

// varier returns what makes variations of scenarios: other delays and CPUs come with every plan.
func varier(uint64) func(*corpus.Scenario) *corpus.Scenario {
	return (*corpus.Scenario).Clone
}
