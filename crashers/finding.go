package crashers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"tracehammer/engine"
)

// Kind is what kind of violation a finding is.
type Kind uint8

const (
	NotAdmitted Kind = iota // a result that no execution of the engine shows
	Invariant               // an invariant visible from outside was broken
	Hang                    // the run did not end, and no documented wait explains it
	Console                 // the kernel complained in its log or tainted itself
	Crash                   // the machine, or a program of ours, died
)

var kindNames = []string{"not-admitted", "invariant", "hang", "console", "crash"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", k)
}

// ParseKind is the inverse of Kind.String.
func ParseKind(s string) (Kind, error) {
	for i, n := range kindNames {
		if n == s {
			return Kind(i), nil
		}
	}
	return 0, fmt.Errorf("kind of finding %q, expected one of %s", s, strings.Join(kindNames, ", "))
}

// MarshalText and UnmarshalText make a Kind readable in files.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

func (k *Kind) UnmarshalText(b []byte) (err error) {
	*k, err = ParseKind(string(b))
	return err
}

// Finding is one violation, as an oracle describes it.
type Finding struct {
	Kind        Kind
	Title       string // names the violation without actor names or numbers: equal bugs have equal titles
	Explanation string // text for people
	Rules       []int  // the R rules concerned
	Known
	// Actor and Instr are the call at which the history left the engine, or one that never returned; NoActor if unknown. If it
	// was a handler that ran, Instr is -1 and Entry its place in the actor's log.
	Actor engine.ActorID
	Instr int32
	Entry int32
	// Event is what of that call is wrong, and Allowed what would be right, in words; of a NotAdmitted.
	Event   engine.EventKind
	Allowed []string
}

// Coarse is the signature that needs no minimal scenario: the kind and the title, in which the hang's cycle or the
// diverging call and result are named. A known bug is one bug whatever way it shows, and so is one that looks like it.
func (f *Finding) Coarse() string {
	switch {
	case f.KnownBug != 0:
		return fmt.Sprintf("known-bug %d", f.KnownBug)
	case f.LooksLike != 0:
		return fmt.Sprintf("like known-bug %d", f.LooksLike)
	}
	return f.Kind.String() + " | " + normalTitle(f.Title)
}

// Signature is Coarse with the shape of the minimal scenario. A hang's cycle says all there is to say about it, and so does
// a row of the list of known bugs: there the shape would only tell different ways to the same bug apart.
func (f *Finding) Signature(shape string) string {
	if f.Row() != 0 || f.Kind == Hang || shape == "" {
		return f.Coarse()
	}
	return f.Coarse() + " | " + shape
}

// SameAs says whether two findings show alike: by this a run is said to reproduce, and the minimiser never drifts from it.
// A known bug that can show in several ways is followed in the way in which it was found.
func (f *Finding) SameAs(g *Finding) bool {
	return f.Kind == g.Kind && normalTitle(f.Title) == normalTitle(g.Title) && told(f.Row()) == told(g.Row())
}

// Told says whether a row of the list of known bugs is told by the model (oracle.Attribute, Verdict.Row), and not by titles.
func Told(row int) bool {
	return row == engine.RowInRules || engine.BugsOfRow(row) != (engine.BugSet{})
}

// told is the row, 0 if it is not told.
func told(row int) int {
	if !Told(row) {
		return 0
	}
	return row
}

// The parts of a title that differ from run to run: addresses, then free-standing numbers (tids, times). Numbers inside
// names (SIGUSR1, wait4) and signs of errno values stay.
var (
	titleAddress = regexp.MustCompile(`\b0x[0-9a-f]{6,}\b|\b[0-9a-f]{12,}\b`)
	titleNumber  = regexp.MustCompile(`\b[0-9]{3,}\b`)
)

// normalTitle takes out of a title what differs between two sightings of one bug.
func normalTitle(s string) string {
	s = titleAddress.ReplaceAllString(s, "ADDR")
	s = titleNumber.ReplaceAllString(s, "NUM")
	return strings.Join(strings.Fields(s), " ")
}

// idLen is the length of an ID; 48 bits keep a million signatures apart with a chance of two in a thousand.
const idLen = 12

// ID names a crasher: short, printable, and the same for the same signature on every machine.
func ID(signature string) string {
	sum := sha256.Sum256([]byte(signature))
	return hex.EncodeToString(sum[:])[:idLen]
}

// validID guards every path made of an ID.
func validID(id string) bool {
	if len(id) != idLen {
		return false
	}
	return validPrefix(id)
}

func validPrefix(s string) bool {
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != "" && len(s) <= idLen
}
