package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tracehammer/engine"
	"tracehammer/stress"
)

// Type is the type of a message.
type Type uint8

const (
	TypeHello  Type = iota + 1 // agent: who it is, once, before anything else
	TypeRun                    // stressd: run a program under a plan
	TypeResult                 // agent: one history
	TypeDone                   // agent: the plan is over
	TypeStop                   // stressd: no more results of that plan are wanted
	TypePulse                  // agent: it lives; about once a second while a plan runs
	TypeFile                   // stressd: a piece of a file to be written in the machine
	TypeExec                   // stressd: run a program of the machine
	TypeInput                  // stressd: its standard input
	TypeOutput                 // agent: its standard output or error
	TypeExit                   // agent: it is over
	TypeBye                    // stressd: end; the machine powers off
	TypeAck                    // agent: how much it has read, where Hello asks for a window
	numTypes
)

var typeNames = [numTypes]string{"", "hello", "run", "result", "done", "stop", "pulse", "file", "exec", "input", "output", "exit", "bye", "ack"}

func (t Type) String() string {
	if t > 0 && t < numTypes {
		return typeNames[t]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// Message is one of the messages below.
type Message interface{ Type() Type }

// bulky messages have bytes besides their fields, which are sent as they are.
type bulky interface {
	Message
	bulk() *[]byte
}

// Started is what an agent prints on its standard error, in a machine the console, before it sends Hello: where the messages come another
// way, it tells what the kernel said at its start from what it says later.
const Started = "stressd agent: started"

// Hello says who the agent is. What a probe could not tell is absent from Features: unknown is never a no.
type Hello struct {
	Build    string          `json:"build"` // of stressd: both ends should be the same
	Machine  stress.Machine  `json:"machine"`
	Features map[string]bool `json:"features"`
	Work     time.Duration   `json:"work"` // what Work took there
	Init     bool            `json:"init"` // the agent is /init: it powers the machine off when it ends
	// Window is how many bytes may be on their way to the agent: a terminal loses what comes when it is full. 0: any number.
	Window int64 `json:"window,omitempty"`
}

// Names are the names of the features of which something is known, in order.
func (h *Hello) Names() []string { return slices.Sorted(maps.Keys(h.Features)) }

// Run asks for the runs of a plan. An agent runs one plan at a time.
type Run struct {
	ID      uint32          `json:"id"`
	Program *engine.Program `json:"program"`
	Plan    stress.Plan     `json:"plan"`
}

// Result is one history of a plan, as JSON lines (jsonl.Write).
type Result struct {
	ID      uint32 `json:"id"`
	History []byte `json:"-"`
}

// Done ends a plan. Fault is nil if all went well, or was ended by Stop.
type Done struct {
	ID    uint32 `json:"id"`
	Fault *Fault `json:"fault,omitempty"`
}

// FaultKind says what sort of error ended a plan: callers decide on it.
type FaultKind string

const (
	FaultEnv        FaultKind = "environment" // a *stress.EnvError
	FaultProgram    FaultKind = "program"     // a *stress.ProgramError
	FaultUnkillable FaultKind = "unkillable"  // a *host.UnkillableError
	FaultOther      FaultKind = "other"
)

// Fault is an error on its way to the other end.
type Fault struct {
	Kind FaultKind `json:"kind"`
	Text string    `json:"text"`
	Hint string    `json:"hint,omitempty"`
}

// Stop ends a plan early; its Done still comes.
type Stop struct {
	ID uint32 `json:"id"`
}

// Pulse says that the agent lives.
type Pulse struct {
	Awake int64 `json:"awake"` // nanoseconds that the agent was awake so far, by the machine's clock
}

// File is a piece of a file. The first piece creates it, with all its directories; the last one closes it.
type File struct {
	Path  string `json:"path"`
	Mode  uint32 `json:"mode"`
	First bool   `json:"first,omitempty"`
	Last  bool   `json:"last,omitempty"`
	Data  []byte `json:"-"`
}

// Exec starts a program of the machine. An agent runs one at a time.
type Exec struct {
	ID   uint32   `json:"id"`
	Argv []string `json:"argv"`
	Env  []string `json:"env,omitempty"`
	Dir  string   `json:"dir,omitempty"`
}

// Input is standard input of the program that runs.
type Input struct {
	ID   uint32 `json:"id"`
	EOF  bool   `json:"eof,omitempty"`
	Data []byte `json:"-"`
}

// Output is what the program that runs has written.
type Output struct {
	ID     uint32 `json:"id"`
	Stream int    `json:"stream"` // 1 standard output, 2 standard error
	Data   []byte `json:"-"`
}

// Exit says how the program ended.
type Exit struct {
	ID     uint32 `json:"id"`
	Code   int    `json:"code"`
	Signal int    `json:"signal,omitempty"` // that killed it; 0 if it exited
	Error  string `json:"error,omitempty"`  // it could not be started
}

// Bye ends the agent.
type Bye struct{}

// Ack says how many bytes the agent has read.
type Ack struct {
	Bytes int64 `json:"bytes"`
}

func (*Hello) Type() Type  { return TypeHello }
func (*Run) Type() Type    { return TypeRun }
func (*Result) Type() Type { return TypeResult }
func (*Done) Type() Type   { return TypeDone }
func (*Stop) Type() Type   { return TypeStop }
func (*Pulse) Type() Type  { return TypePulse }
func (*File) Type() Type   { return TypeFile }
func (*Exec) Type() Type   { return TypeExec }
func (*Input) Type() Type  { return TypeInput }
func (*Output) Type() Type { return TypeOutput }
func (*Exit) Type() Type   { return TypeExit }
func (*Bye) Type() Type    { return TypeBye }
func (*Ack) Type() Type    { return TypeAck }

func (m *Result) bulk() *[]byte { return &m.History }
func (m *File) bulk() *[]byte   { return &m.Data }
func (m *Input) bulk() *[]byte  { return &m.Data }
func (m *Output) bulk() *[]byte { return &m.Data }

func newMessage(t Type) Message {
	switch t {
	case TypeHello:
		return new(Hello)
	case TypeRun:
		return new(Run)
	case TypeResult:
		return new(Result)
	case TypeDone:
		return new(Done)
	case TypeStop:
		return new(Stop)
	case TypePulse:
		return new(Pulse)
	case TypeFile:
		return new(File)
	case TypeExec:
		return new(Exec)
	case TypeInput:
		return new(Input)
	case TypeOutput:
		return new(Output)
	case TypeExit:
		return new(Exit)
	case TypeBye:
		return new(Bye)
	case TypeAck:
		return new(Ack)
	}
	return nil
}

// A payload is the length of the fields as a varint, the fields as JSON, and for bulky messages the bytes up to its end.
func appendPayload(b []byte, m Message) ([]byte, error) {
	fields, err := json.Marshal(m)
	if err != nil {
		return b, err
	}
	b = binary.AppendUvarint(b, uint64(len(fields)))
	b = append(b, fields...)
	if m, ok := m.(bulky); ok {
		b = append(b, *m.bulk()...)
	}
	return b, nil
}

// parsePayload is the inverse of appendPayload. The message shares nothing with b.
func parsePayload(t Type, b []byte) (Message, error) {
	m := newMessage(t)
	if m == nil {
		return nil, fmt.Errorf("unknown %v", t)
	}
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, errors.New("the length of the fields is beyond the payload")
	}
	fields, rest := b[k:k+int(n)], b[k+int(n):]
	if err := json.Unmarshal(fields, m); err != nil {
		return nil, err
	}
	if r, ok := m.(*Run); ok && r.Program == nil {
		return nil, errors.New("no program to run")
	}
	if m, ok := m.(bulky); ok {
		*m.bulk() = append([]byte(nil), rest...)
	} else if len(rest) != 0 {
		return nil, fmt.Errorf("%d bytes after the fields", len(rest))
	}
	return m, nil
}
