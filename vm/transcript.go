package vm

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"time"

	"tracehammer/stress/history"
	"tracehammer/vm/console"
	"tracehammer/vm/wire"
)

// Of a console, however much comes: what is kept for people, and how many lines of it errors quote.
const (
	transcriptSize = 64 << 10
	maxReports     = 16
	quoted         = 5
)

// transcript is what the other side says besides messages: the last of it, and the reports of its kernel.
type transcript struct {
	last    []byte
	parser  *console.Parser
	reports []console.Report
	also    io.Writer // gets all of it; may be nil
	started bool      // wire.Started has come
	// panicked is when a kernel last said something that has said that it panics, zero if none did. Whoever has the console can say so.
	panicked time.Time
}

func (t *transcript) init() {
	t.parser = console.NewParser(func(r console.Report) {
		if len(t.reports) < maxReports {
			t.reports = append(t.reports, r)
		}
	})
}

// begin forgets the reports so far: what a kernel says as it starts is no run's fault. It is called when the agent has said hello, which
// may overtake what the machine said before, and again when the console has come to where the agent started.
func (t *transcript) begin() {
	t.parser.Flush()
	t.reports = nil
}

// Write implements io.Writer. It never fails.
func (t *transcript) Write(b []byte) (int, error) {
	if !t.panicked.IsZero() || t.ends(b, console.Panics) > 0 {
		t.panicked = time.Now()
	}
	if n := t.starts(b); n > 0 {
		t.parser.Write(b[:n]) //nolint:errcheck // never fails
		t.begin()
		t.parser.Write(b[n:]) //nolint:errcheck // never fails
	} else {
		t.parser.Write(b) //nolint:errcheck // never fails
	}
	t.last = append(t.last, b[max(0, len(b)-transcriptSize):]...)
	if len(t.last) > 2*transcriptSize { // moved once for each transcriptSize bytes
		t.last = append(t.last[:0], t.last[len(t.last)-transcriptSize:]...)
	}
	if t.also != nil {
		t.also.Write(b) //nolint:errcheck // nobody listens, then
	}
	return len(b), nil
}

// starts says how many bytes of b belong to the machine's start, when they are the last of it.
func (t *transcript) starts(b []byte) int {
	if t.started {
		return 0
	}
	n := t.ends(b, wire.Started)
	t.started = n > 0
	return n
}

// ends says how many bytes of b there are to the end of the first mark, which may have begun before b; 0: it is not there.
func (t *transcript) ends(b []byte, mark string) int {
	before := min(len(t.last), len(mark)-1)
	i := bytes.Index(append(t.last[len(t.last)-before:len(t.last):len(t.last)], b...), []byte(mark))
	if i < 0 {
		return 0
	}
	return i + len(mark) - before
}

// lines are those that are kept.
func (t *transcript) lines() []string {
	text := string(bytes.ReplaceAll(t.last[max(0, len(t.last)-transcriptSize):], []byte("\r"), nil))
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

// words are the last lines, on one line.
func (t *transcript) words() string {
	lines := t.lines()
	return history.Printable(strings.Join(lines[max(0, len(lines)-quoted):], " | "))
}

// report is the first report since begin, a whole one if there is one; nil for none. Nothing may be written after it.
func (t *transcript) report() *console.Report {
	t.parser.Close()
	if len(t.reports) == 0 {
		return nil
	}
	return &t.reports[max(0, slices.IndexFunc(t.reports, func(r console.Report) bool { return !r.State.Corrupted() }))]
}

// lockedTranscript is standard error, or a console.
type lockedTranscript struct{ l *Link }

func (t *lockedTranscript) Write(b []byte) (int, error) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	return t.l.said.Write(b)
}
