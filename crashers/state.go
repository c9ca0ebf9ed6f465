package crashers

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"tracehammer/stress/history"
)

// State is where a finding stands with the people who look after it. docs/triage.md has the words and the transitions.
type State uint8

const (
	StateUnread      State = iota // its files cannot be read: Status.Problem says why
	StateNew                      // filed, and nobody has looked
	StateOpen                     // looked at; it did not show again when it was tried, or was not tried
	StateReproducing              // looked at, and it showed again
	StateKnown                    // a bug that its makers know: a row of the list of known bugs, or reported
	StateFixed                    // runs showed it gone
	StateRegressed                // fixed, and seen again
	StateInvalid                  // no bug
	StateDuplicate                // another finding's bug: Status.Of
	numStates
)

var stateNames = [numStates]string{"unread", "new", "open", "reproducing", "known", "fixed", "regressed", "invalid", "duplicate"}

// States lists what a finding can be, in the order in which people want to read of it.
func States() []State {
	return []State{StateUnread, StateNew, StateRegressed, StateReproducing, StateOpen, StateKnown, StateFixed, StateInvalid, StateDuplicate}
}

func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", s)
}

// ParseState is the inverse of State.String, but for what no file says.
func ParseState(s string) (State, error) {
	if i := slices.Index(stateNames[:], s); i > int(StateUnread) {
		return State(i), nil
	}
	return 0, fmt.Errorf("state of a finding %q, expected one of %s", history.Printable(s), strings.Join(stateNames[1:], ", "))
}

// MarshalText and UnmarshalText make a State readable in JSON and on the command line.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s *State) UnmarshalText(b []byte) (err error) {
	*s, err = ParseState(string(b))
	return err
}

// Closed says that nobody need look at the finding.
func (s State) Closed() bool { return s == StateFixed || s == StateInvalid || s == StateDuplicate }

// live are the states of a finding that somebody may have to look at.
var live = []State{StateOpen, StateReproducing, StateKnown, StateFixed, StateInvalid, StateDuplicate}

// transitions says which states follow which. Only what sees a fixed finding again makes it regressed, and nothing makes it new.
// What cannot be read is repaired by saying anew what it is.
var transitions = [numStates][]State{
	StateUnread:      live,
	StateNew:         live,
	StateOpen:        live,
	StateReproducing: live,
	StateKnown:       live,
	StateRegressed:   live,
	StateFixed:       {StateOpen, StateRegressed},
	StateInvalid:     {StateOpen},
	StateDuplicate:   {StateOpen},
}

// Next lists the states that may follow, in the order of the constants. A finding that stays what it is changes nothing.
func (s State) Next() []State {
	if s >= numStates {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(transitions[s]), func(t State) bool { return t == s })
}

// Follows says why the finding does not become something: a *TransitionError, nil if it does.
func (m *Meta) Follows(to State) error {
	if m.State == to || slices.Contains(m.State.Next(), to) {
		return nil
	}
	return &TransitionError{m.ID, m.State, to}
}

// TransitionError: a finding in this state does not get into that one.
type TransitionError struct {
	ID       string
	From, To State
}

func (e *TransitionError) Error() string {
	if e.From.Closed() {
		return fmt.Sprintf("finding %s is %s: reopen it before it becomes %s", e.ID, e.From, e.To)
	}
	return fmt.Sprintf("finding %s is %s, which does not become %s", e.ID, e.From, e.To)
}

// Status is what the files beside a finding say of it that people write.
type Status struct {
	State State     `json:"state,omitzero"`
	Since time.Time `json:"since,omitzero"` // zero where nobody said
	Why   string    `json:"why,omitempty"`
	Of    string    `json:"duplicateOf,omitempty"`
	Owner string    `json:"owner,omitempty"`
	// Problem says which of the files cannot be read, and why. A finding is one all the same.
	Problem string `json:"problem,omitempty"`
}

// String is a status in one line.
func (s *Status) String() string {
	b := s.State.String()
	if !s.Since.IsZero() {
		b += " since " + s.Since.UTC().Format("2006-01-02 15:04 MST")
	}
	if s.Why != "" {
		b += ": " + s.Why
	}
	return b
}

// The files of a finding that people write, or programs in their name: text, made for git. A finding without any is new.
const (
	fileState = "state"    // a line for each change: STATE [TIME [WHY]]; the last one holds
	fileOwner = "owner"    // one line
	fileNotes = "notes.md" // anything
	// fileClosed is how earlier versions closed a finding, and people by hand. The next writer turns it into a line of the state.
	fileClosed = "closed"

	maxMark  = 64 << 10
	maxNotes = 1 << 20
	// maxWords is how many bytes of a line of somebody's are kept.
	maxWords = 500
)

// readStatus reads what people say of a finding. Whatever its files hold, there is a status.
func readStatus(read func(name string, limit int64) ([]byte, error)) (s Status) {
	problem := func(name string, err error) {
		if s.Problem == "" {
			s.Problem = history.Printable(fmt.Sprintf("%s: %s", name, strings.Join(strings.Fields(err.Error()), " ")))
		}
	}
	s.State = StateNew
	text, err := read(fileState, maxMark)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		s.State = StateUnread
		problem(fileState, err)
	default:
		if err := s.parse(string(text)); err != nil {
			s.State = StateUnread
			problem(fileState, err)
		}
	}
	if text, err = read(fileClosed, maxMark); !errors.Is(err, fs.ErrNotExist) && !s.State.Closed() {
		s.State, s.Since, s.Of, s.Why = StateFixed, time.Time{}, "", words(string(text)) // its content matters to nobody
	}
	switch text, err = read(fileOwner, maxMark); {
	case err == nil:
		s.Owner = words(string(text))
	case !errors.Is(err, fs.ErrNotExist):
		problem(fileOwner, err)
	}
	return s
}

// parse reads a state file. Its last line holds; one without any says nothing.
func (s *Status) parse(text string) error {
	last := ""
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			last = l
		}
	}
	if last == "" {
		return nil
	}
	word, rest, _ := strings.Cut(last, " ")
	state, err := ParseState(word)
	if err != nil {
		return err
	}
	s.State = state
	when, why, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if t, err := time.Parse(time.RFC3339, when); err == nil {
		s.Since, rest = t.UTC(), why
	}
	s.Why = words(rest)
	if of, is := strings.CutPrefix(s.Why, duplicateOf); is && state == StateDuplicate {
		if of, _, _ = strings.Cut(of, " "); validID(of) {
			s.Of = of
		}
	}
	return nil
}

// duplicateOf comes before the ID of the finding that a duplicate is one of.
const duplicateOf = "of "

// line writes a status as a line of a state file.
func (s *Status) line() string {
	l := s.State.String()
	if !s.Since.IsZero() || s.Why != "" {
		l += " " + s.Since.UTC().Format(time.RFC3339)
	}
	if s.Why != "" {
		l += " " + words(s.Why)
	}
	return l + "\n"
}

// words is somebody's text in one printable line, not too long.
func words(s string) string {
	s = history.Printable(strings.Join(strings.Fields(s), " "))
	if len(s) > maxWords {
		s = strings.ToValidUTF8(s[:maxWords-3], "") + "..."
	}
	return s
}
