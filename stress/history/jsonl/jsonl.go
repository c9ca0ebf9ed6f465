// Package jsonl is the JSON lines form of histories: how they are kept in files and sent from machines.
//
// It is apart from package history, so that who only makes and judges histories does not bring package encoding/json along: native
// fuzzing counts, clears and compares every edge of all that a target's package imports. What Reader reads is untrusted. There are no locks:
// a Reader belongs to one goroutine.
package jsonl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"tracehammer/engine"
	"tracehammer/stress/history"
)

// A history as JSON lines is one header, one line per log entry (actor after actor, in each actor's order), one per
// thread of the snapshot, one per console line, and an end line that counts the lines before it, so that a file cut
// short is told from a whole one. Histories may follow each other in one file.

// FormatVersion is the version of the JSON lines form; a reader refuses every other.
const FormatVersion = 1

// Limits on what Reader believes: histories come from other machines and from people.
const (
	maxLine    = 1 << 20
	maxEntries = 1 << 20
	maxThreads = 1 << 10
	maxConsole = 1 << 14
	maxDelays  = 1 << 12
)

// SyntaxError says which line of a JSON lines history is wrong, and what is.
type SyntaxError struct {
	Line int
	What string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.What) }

// line is the union of all lines; exactly one field is set.
type line struct {
	History *jsonHeader  `json:"history,omitempty"`
	Call    *jsonCall    `json:"call,omitempty"`
	Handler *jsonHandler `json:"handler,omitempty"`
	Thread  *jsonThread  `json:"thread,omitempty"`
	Console *string      `json:"console,omitempty"`
	End     *jsonEnd     `json:"end,omitempty"`
}

type jsonHeader struct {
	Version int           `json:"version"`
	Target  string        `json:"target"`
	Kernel  string        `json:"kernel"`
	Arch    string        `json:"arch"`
	Run     int           `json:"run"`
	Outcome string        `json:"outcome"`
	Cut     uint64        `json:"cut"`
	Elapsed time.Duration `json:"elapsed"`
	Drain   time.Duration `json:"drain,omitempty"`
	Delays  []int64       `json:"delays,omitempty"`
	Taint   uint64        `json:"taint,omitempty"`
	Trunc   bool          `json:"trunc,omitempty"`
	Blocks  []uint64      `json:"blocks,omitempty"`
	// Schedule is base64: a decision stream.
	Schedule []byte      `json:"schedule,omitempty"`
	Hang     bool        `json:"hang,omitempty"` // a snapshot follows; it may have no threads
	Actors   []jsonActor `json:"actors"`
}

type jsonActor struct {
	Tid    int32      `json:"tid"`
	Parked bool       `json:"parked,omitempty"`
	Final  *jsonFinal `json:"final,omitempty"`
}

type jsonFinal struct {
	State     string `json:"state"`
	TracerPid int32  `json:"tracer,omitempty"`
	Pending   uint64 `json:"pending,omitempty"`
}

type jsonCall struct {
	Actor   int      `json:"actor"`
	Instr   int32    `json:"instr"`
	Begin   uint64   `json:"begin"`
	End     uint64   `json:"end,omitempty"`
	Pending bool     `json:"pending,omitempty"` // had not returned at the cut
	TSC     uint64   `json:"tsc,omitempty"`
	Ret     int64    `json:"ret"`
	Out     [3]int64 `json:"out"`
	TidMask uint8    `json:"tids,omitempty"`
}

type jsonHandler struct {
	Actor  int      `json:"actor"`
	Ticket uint64   `json:"ticket"`
	TSC    uint64   `json:"tsc,omitempty"`
	Info   [3]int64 `json:"info"` // signo, si_code, si_pid
	Tids   uint8    `json:"tids,omitempty"`
}

type jsonThread struct {
	Actor     int      `json:"actor"`
	Tid       int32    `json:"tid"`
	State     string   `json:"state"`
	TracerPid int32    `json:"tracer,omitempty"`
	Wchan     string   `json:"wchan,omitempty"`
	Syscall   string   `json:"syscall,omitempty"`
	Stack     []string `json:"stack,omitempty"`
}

type jsonEnd struct {
	Lines int `json:"lines"`
}

// Write writes h as JSON lines. What it writes is what Read reads.
func Write(w io.Writer, h *history.History) error {
	bw := bufio.NewWriter(w)
	enc := json.NewEncoder(bw)
	lines := 0
	put := func(l line) error {
		lines++
		return enc.Encode(l)
	}
	if err := writeLines(h, put); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	if err := put(line{End: &jsonEnd{lines}}); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	return nil
}

func writeLines(h *history.History, put func(line) error) error {
	head := &jsonHeader{
		Version: FormatVersion, Target: h.Target, Kernel: h.Kernel, Arch: h.Arch, Run: h.Run, Outcome: h.Outcome.String(),
		Cut: h.Cut, Elapsed: h.Elapsed, Drain: h.Drain, Delays: h.Delays, Taint: h.Taint, Trunc: h.Trunc,
		Blocks: h.Blocks, Schedule: h.Schedule, Hang: h.Hang != nil, Actors: make([]jsonActor, len(h.Actors)),
	}
	for i, a := range h.Actors {
		head.Actors[i] = jsonActor{Tid: a.Tid, Parked: a.Parked}
		if f := a.Final; f != nil {
			head.Actors[i].Final = &jsonFinal{stateText(f.State), f.TracerPid, f.Pending}
		}
	}
	if err := put(line{History: head}); err != nil {
		return err
	}
	for i, a := range h.Actors {
		for _, e := range a.Entries {
			if err := put(entryLine(i, e)); err != nil {
				return err
			}
		}
	}
	if h.Hang != nil {
		for _, t := range h.Hang.Threads {
			l := line{Thread: &jsonThread{int(t.Actor), t.Tid, stateText(t.State), t.TracerPid, t.Wchan, t.Syscall, t.Stack}}
			if err := put(l); err != nil {
				return err
			}
		}
	}
	for i := range h.Console {
		if err := put(line{Console: &h.Console[i]}); err != nil {
			return err
		}
	}
	return nil
}

func entryLine(actor int, e history.Entry) line {
	if e.Kind == history.Handler {
		return line{Handler: &jsonHandler{actor, e.Begin, e.TSC, e.Res.Out, e.Res.TidMask}}
	}
	return line{Call: &jsonCall{actor, e.Instr, e.Begin, e.End, !e.Done, e.TSC, e.Res.Ret, e.Res.Out, e.Res.TidMask}}
}

// Read reads the one history that r holds.
func Read(r io.Reader) (*history.History, error) {
	d := NewReader(r)
	h, err := d.Next()
	if err == io.EOF {
		return nil, &SyntaxError{1, "empty, expected a history header"}
	}
	if err != nil {
		return nil, err
	}
	switch _, err = d.Next(); err {
	case io.EOF:
		return h, nil
	case nil:
		return nil, &SyntaxError{d.line, "a second history, expected one"}
	}
	return nil, err
}

// Reader reads histories that follow each other in one stream. It trusts nothing in it.
type Reader struct {
	sc   *bufio.Scanner
	line int
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 4096), maxLine)
	return &Reader{sc: sc}
}

// Next returns the next history, or io.EOF when there is none.
func (r *Reader) Next() (*history.History, error) {
	l, err := r.next()
	if err != nil {
		return nil, err
	}
	if l.History == nil {
		return nil, r.errorf("expected a history header")
	}
	h, err := r.header(l.History)
	if err != nil {
		return nil, err
	}
	for lines, entries := 1, 0; ; lines++ {
		switch l, err = r.next(); {
		case err == io.EOF:
			return nil, r.errorf("the history ends without its end line")
		case err != nil:
			return nil, err
		case l.Call != nil || l.Handler != nil:
			if entries++; entries > maxEntries {
				return nil, r.errorf("more than %d entries", maxEntries)
			}
			err = r.entry(h, l)
		case l.Thread != nil:
			err = r.thread(h, l.Thread)
		case l.Console != nil:
			if h.Console = append(h.Console, *l.Console); len(h.Console) > maxConsole {
				return nil, r.errorf("more than %d console lines", maxConsole)
			}
		case l.End != nil:
			if l.End.Lines != lines {
				return nil, r.errorf("the history has %d lines, its end line says %d", lines, l.End.Lines)
			}
			return h, nil
		default:
			return nil, r.errorf("a header inside a history")
		}
		if err != nil {
			return nil, err
		}
	}
}

func (r *Reader) errorf(format string, args ...any) error {
	return &SyntaxError{max(r.line, 1), fmt.Sprintf(format, args...)}
}

// next reads one line into its union.
func (r *Reader) next() (line, error) {
	var l line
	if !r.sc.Scan() {
		switch err := r.sc.Err(); err {
		case nil:
			return l, io.EOF
		case bufio.ErrTooLong:
			r.line++
			return l, r.errorf("longer than %d bytes", maxLine)
		default:
			return l, fmt.Errorf("read history: %w", err)
		}
	}
	r.line++
	// A later version may have other fields: its number is to be seen before they are called unknown.
	var v struct {
		History *struct {
			Version int `json:"version"`
		} `json:"history"`
	}
	if json.Unmarshal(r.sc.Bytes(), &v) == nil && v.History != nil && v.History.Version != FormatVersion {
		return l, r.errorf("history format %d, this program reads %d", v.History.Version, FormatVersion)
	}
	dec := json.NewDecoder(bytes.NewReader(r.sc.Bytes()))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return l, r.errorf("not a line of a history: %v", err)
	}
	if dec.More() {
		return l, r.errorf("more than one value on a line")
	}
	set := 0
	for _, is := range []bool{l.History != nil, l.Call != nil, l.Handler != nil, l.Thread != nil, l.Console != nil, l.End != nil} {
		if is {
			set++
		}
	}
	if set != 1 {
		return l, r.errorf("expected exactly one of history, call, handler, thread, console, end")
	}
	return l, nil
}

func (r *Reader) header(j *jsonHeader) (*history.History, error) {
	h := &history.History{
		Target: j.Target, Kernel: j.Kernel, Arch: j.Arch, Run: j.Run, Cut: j.Cut, Elapsed: j.Elapsed, Drain: j.Drain,
		Delays: j.Delays, Taint: j.Taint, Trunc: j.Trunc, Blocks: j.Blocks, Schedule: j.Schedule,
	}
	switch {
	case j.Outcome == history.Complete.String():
		h.Outcome = history.Complete
	case j.Outcome == history.Stuck.String():
		h.Outcome = history.Stuck
	default:
		return nil, r.errorf("outcome %q, expected %s or %s", j.Outcome, history.Complete, history.Stuck)
	}
	if len(j.Actors) > engine.MaxActors {
		return nil, r.errorf("%d actors, at most %d are possible", len(j.Actors), engine.MaxActors)
	}
	if len(j.Delays) > maxDelays {
		return nil, r.errorf("%d delays, at most %d are possible", len(j.Delays), maxDelays)
	}
	if j.Hang {
		h.Hang = &history.Snapshot{}
	}
	for _, a := range j.Actors {
		actor := history.Actor{Tid: a.Tid, Parked: a.Parked}
		if f := a.Final; f != nil {
			state, err := r.state(f.State)
			if err != nil {
				return nil, err
			}
			actor.Final = &history.Final{State: state, TracerPid: f.TracerPid, Pending: f.Pending}
		}
		h.Actors = append(h.Actors, actor)
	}
	return h, nil
}

func (r *Reader) entry(h *history.History, l line) error {
	var actor int
	var e history.Entry
	if j := l.Call; j != nil {
		actor = j.Actor
		e = history.Entry{Kind: history.Call, Instr: j.Instr, Done: !j.Pending, Begin: j.Begin, End: j.End, TSC: j.TSC,
			Res: engine.Result{Ret: j.Ret, Out: j.Out, TidMask: j.TidMask}}
		switch {
		case j.Instr < 0:
			return r.errorf("call of instruction %d", j.Instr)
		case j.Pending && j.End != 0:
			return r.errorf("a call that is pending and has ended")
		case !j.Pending && j.End < j.Begin:
			return r.errorf("a call that ends (%d) before it begins (%d)", j.End, j.Begin)
		}
	} else {
		j := l.Handler
		actor = j.Actor
		e = history.Entry{Kind: history.Handler, Done: true, Begin: j.Ticket, TSC: j.TSC, Res: engine.Result{Out: j.Info, TidMask: j.Tids}}
	}
	if actor < 0 || actor >= len(h.Actors) {
		return r.errorf("actor %d, there are %d", actor, len(h.Actors))
	}
	a := &h.Actors[actor]
	a.Entries = append(a.Entries, e)
	return nil
}

func (r *Reader) thread(h *history.History, j *jsonThread) error {
	state, err := r.state(j.State)
	switch {
	case err != nil:
		return err
	case h.Hang == nil:
		return r.errorf("a thread in a history without a snapshot")
	case len(h.Hang.Threads) == maxThreads:
		return r.errorf("more than %d threads", maxThreads)
	case j.Actor < int(engine.NoActor) || j.Actor >= len(h.Actors):
		return r.errorf("actor %d, there are %d", j.Actor, len(h.Actors))
	}
	h.Hang.Threads = append(h.Hang.Threads, history.Thread{Actor: engine.ActorID(j.Actor), Tid: j.Tid, State: state, TracerPid: j.TracerPid,
		Wchan: j.Wchan, Syscall: j.Syscall, Stack: j.Stack})
	return nil
}

// stateText and Reader.state carry a state letter; "" is a task that was gone.
func stateText(b byte) string {
	if b == 0 {
		return ""
	}
	return string(rune(b))
}

func (r *Reader) state(s string) (byte, error) {
	switch {
	case s == "":
		return 0, nil
	case len(s) == 1 && s[0] > ' ' && s[0] < 0x7f:
		return s[0], nil
	}
	return 0, r.errorf("state %q, expected one letter", s)
}
