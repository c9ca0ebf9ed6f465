package vm

import "time"

// lookEvery is how often somebody who waits for an agent looks how long it has been silent.
const lookEvery = time.Second

// silence is how long an agent was silent while it could have spoken and somebody listened. What does not count is the time in which its carrier
// waited for CPUs, in which the machine was stopped to be saved, and in which stressd itself did not run: it was stopped (Ctrl-Z), or starved, or
// all of this machine stood still.
type silence struct {
	looked  time.Time     // last, or when the waiting began
	heard   time.Time     // when the last message had come then
	length  time.Duration // since then
	excused time.Duration // not counted since then
}

// look returns the silence's length at a time, where the last message had come at heard. The carrier waited for so long for CPUs since the last look.
func (s *silence) look(now, heard time.Time, starved time.Duration) time.Duration {
	since := s.looked
	if heard.After(since) {
		since = heard
	}
	if !heard.Equal(s.heard) {
		s.heard, s.length, s.excused = heard, 0, 0
	}
	s.looked = now
	all := max(now.Sub(since), 0)
	// A look that is late by more than that is one of somebody who did not run: what came meanwhile may not have been read yet.
	counted := max(min(all, 2*lookEvery)-starved, 0)
	s.length += counted
	s.excused += all - counted
	return s.length
}
