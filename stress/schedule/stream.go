// Package schedule decides what happens next in a run of the engine: strategies, and the decision stream that each run
// leaves behind.
//
// The stream is the one record of a schedule. Strategies, replay files and the bytes of a fuzzer are sources of it alike;
// whatever chose, the stream replays to the identical run. Any bytes are a stream, and mean some schedule: a decision is
// taken modulo the number of choices, and where the stream ends a fair schedule takes over.
//
// The package knows nothing of histories and verdicts. Nothing here is shared between goroutines, so there are no locks,
// and nothing allocates while a run steps, once buffers have grown.
package schedule

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
)

// Stream is the decisions of one run, a byte for each step that had several choices: the index of the choice made. It ends
// where the fair schedule took over, or the run was over.
type Stream []byte

// String writes a stream as Parse reads it behind "replay:".
func (s Stream) String() string { return base64.RawURLEncoding.EncodeToString(s) }

// ParseStream is the inverse of String.
func ParseStream(text string) (Stream, error) {
	s, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("decision stream %.20q: %w", text, err)
	}
	return s, nil
}

// MarshalText and UnmarshalText make a stream readable in files.
func (s Stream) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s *Stream) UnmarshalText(b []byte) (err error) {
	*s, err = ParseStream(string(b))
	return err
}

// Mutate appends to dst a variation of s: what a feedback loop tries next to a schedule that showed something. A few
// decisions change, or the schedule departs from s at some point, or a stretch of it is left out or done twice.
func (s Stream) Mutate(dst Stream, rng *rand.Rand) Stream {
	at := len(dst)
	dst = append(dst, s...)
	m := dst[at:]
	if len(m) == 0 {
		return append(dst, byte(rng.Uint32()))
	}
	i := rng.IntN(len(m))
	n := 1 + rng.IntN(min(len(m)-i, 16))
	switch rng.IntN(5) {
	case 0, 1:
		for range 1 + rng.IntN(5) {
			m[rng.IntN(len(m))] = byte(rng.Uint32())
		}
	case 2: // another end
		for i := range m[i:] {
			m[i] = byte(rng.Uint32())
		}
	case 3:
		copy(m[i:], m[i+n:])
		dst = dst[:len(dst)-n]
	case 4:
		dst = append(dst, m[len(m)-n:]...)
		copy(dst[at+i+n:], s[i:])
	}
	return dst
}
