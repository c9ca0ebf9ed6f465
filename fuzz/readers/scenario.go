package readers

import (
	"bytes"

	"tracehammer/corpus"
	"tracehammer/fuzz/input"
	"tracehammer/fuzz/memory"
)

// FuzzScenarioText parses text of the scenario language. It asserts that no text makes the parser panic, and of what it
// accepts, that it is valid, that its printed form parses to the same, that its byte form decodes to the same but for names
// and comments, and that it can be lowered.
func FuzzScenarioText(text []byte) int { return memory.Bounded("FuzzScenarioText", scenarioText, text) }

func scenarioText(text []byte) int {
	s, err := corpus.Parse("fuzz", text)
	if err != nil {
		return neutral
	}
	roundTrip("FuzzScenarioText", s)
	return keep
}

// FuzzScenarioBytes takes bytes for the byte form of an input. It asserts that they mean a valid scenario, that making it
// so comes to an end, and of scenario and input what FuzzScenarioText asserts, and that they are encoded to what decodes to
// the same.
func FuzzScenarioBytes(data []byte) int {
	return memory.Bounded("FuzzScenarioBytes", scenarioBytes, data)
}

func scenarioBytes(data []byte) int {
	in := input.Decode(data)
	if in.Scenario.Name == corpus.Unrepairable {
		violated("FuzzScenarioBytes", "repairing does not come to an end")
	}
	if err := in.Scenario.Validate(); err != nil {
		violated("FuzzScenarioBytes", "the decoded scenario is not valid: %v", err)
	}
	roundTrip("FuzzScenarioBytes", in.Scenario)
	back := input.Decode(input.Encode(in))
	in.Scenario.Canonical()
	back.Scenario.Canonical()
	if back.Profile != in.Profile || !bytes.Equal(back.Stream, in.Stream) || !corpus.Equal(back.Scenario, in.Scenario) {
		violated("FuzzScenarioBytes", "%q %v\n%s\ncomes back as %q %v\n%s", in.Profile, in.Stream, in.Scenario.Print(), back.Profile, back.Stream, back.Scenario.Print())
	}
	if len(in.Scenario.Body) > 0 {
		return keep
	}
	return neutral
}

func roundTrip(target string, s *corpus.Scenario) {
	text := s.Print()
	back, err := corpus.Parse("again", text)
	if err != nil {
		violated(target, "a printed scenario does not parse: %v\n%s", err, text)
	}
	if got := back.Print(); !bytes.Equal(got, text) {
		violated(target, "print of parse differs:\n%s\nwas\n%s", got, text)
	}
	c := s.Clone()
	c.Canonical()
	c.Name = "x"
	d := corpus.Decode(corpus.Encode(s))
	d.Canonical()
	if !corpus.Equal(c, d) {
		violated(target, "decode of encode differs:\n%s\nwas\n%s", d.Print(), c.Print())
	}
	if _, err := corpus.Lower(s); err != nil {
		violated(target, "%v", err)
	}
}
