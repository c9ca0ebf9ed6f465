package vm

import (
	"testing"
	"time"
)

// TestSilence: what counts is the time in which an agent could have spoken and somebody would have heard it.
func TestSilence(t *testing.T) {
	type look struct{ at, heard, starved, want int } // seconds since the waiting began
	for name, looks := range map[string][]look{
		"speaks":             {{1, 1, 0, 0}, {2, 2, 0, 0}, {3, 2, 0, 1}, {4, 4, 0, 0}},
		"silent":             {{1, 0, 0, 1}, {2, 0, 0, 2}, {3, 0, 0, 3}},
		"silent from before": {{1, -50, 0, 1}, {2, -50, 0, 2}, {3, 3, 0, 0}}, // while it was saved, or nobody waited
		"starved":            {{1, 0, 1, 0}, {2, 0, 1, 0}, {3, 0, 0, 1}, {4, 0, 9, 1}, {5, 0, 0, 2}},
		"nobody listened":    {{1, 1, 0, 0}, {60, 1, 0, 2}, {61, 61, 0, 0}, {62, 61, 0, 1}},
		"and it is dead":     {{1, 1, 0, 0}, {60, 1, 0, 2}, {61, 1, 0, 3}, {62, 1, 0, 4}},
	} {
		began := time.Now()
		at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
		s := silence{looked: began}
		for _, l := range looks {
			if got := s.look(at(l.at), at(l.heard), time.Duration(l.starved)*time.Second); got != time.Duration(l.want)*time.Second {
				t.Errorf("%s: silent for %v after %d s, want %d s", name, got, l.at, l.want)
			}
		}
		if last := looks[len(looks)-1]; s.length+s.excused > time.Duration(last.at-last.heard)*time.Second && last.heard >= 0 {
			t.Errorf("%s: %v silent and %v excused of %d s", name, s.length, s.excused, last.at-last.heard)
		}
	}
}
