// Package vm reaches kernels elsewhere: whatever runs stressd's agent, be it a command that carries standard input and output
// (a container, ssh to a board) or a machine that this package boots.
//
// It judges nothing, and knows no scenario: programs go out, histories come back. What the other side sends is untrusted. A
// machine that is lost is named for how it was lost; it is started again when it is needed next. Nothing that the package
// starts outlives it. A Link's lock is a leaf; everything else belongs to one goroutine.
package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sourcegraph/conc"

	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/vm/wire"
)

// Times of a link to a machine as fast as this one; each grows with the machine's slowdown.
const (
	helloTime = 20 * time.Second // from the start of an agent to its Hello, not counting a boot
	quietTime = 10 * time.Second // an agent says every second that it lives
	byeTime   = 5 * time.Second  // to end when told to
	stopTime  = 30 * time.Second // from Stop to Done: what is under way ends first, a hang by its deadline and clean-up
)

// LostError says that the other side is gone, and how.
type LostError struct {
	Name string // of the target
	How  string
	Last string // the last of what it said besides messages, made printable
}

func (e *LostError) Error() string {
	s := fmt.Sprintf("%s is lost: %s", e.Name, e.How)
	if e.Last != "" {
		s += "; it said last: " + e.Last
	}
	return s
}

// errLate: a plan does not end.
var errLate = errors.New("late")

// Link is a connection to a running agent.
type Link struct {
	Hello    *wire.Hello
	Slowdown float64 // how much slower than this machine the other one is, at least 1

	name               string
	patience, stopping time.Duration // see Target
	cmd                *exec.Cmd
	w                  *wire.Writer
	in, out            *os.File
	msgs               chan wire.Message // closed at the end of the stream
	wg                 conc.WaitGroup

	mu    sync.Mutex
	heard time.Time // when the last message came
	err   error     // how the stream ended
	said  tail      // standard error, and what was no message
}

// File descriptors of the messages of a command whose standard output is a console.
const (
	linkIn  = 3
	linkOut = 4
)

// Start starts a command that carries the messages of an agent, on its standard input and output or, if separate, on linkIn
// and linkOut. It waits for the agent's Hello; patience is how long that may take.
func Start(ctx context.Context, name string, cmd *exec.Cmd, separate bool, patience time.Duration) (*Link, error) {
	l := &Link{name: name, cmd: cmd, msgs: make(chan wire.Message, 64), heard: time.Now()}
	in, toAgent, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	out, fromAgent, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), in.Close(), toAgent.Close())
	}
	l.in, l.out = toAgent, out
	cmd.Stderr = &lockedTail{l}
	if cmd.Stdin, cmd.Stdout = in, fromAgent; separate {
		cmd.Stdin, cmd.Stdout, cmd.ExtraFiles = nil, cmd.Stderr, []*os.File{in, fromAgent}
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	err = cmd.Start()
	in.Close()        //nolint:errcheck // the command's
	fromAgent.Close() //nolint:errcheck // likewise
	if err != nil {
		toAgent.Close() //nolint:errcheck // nobody reads it
		out.Close()     //nolint:errcheck // nobody writes it
		return nil, &stress.EnvError{What: "cannot start " + name, Err: err, Hint: "is the command installed?"}
	}
	l.w = wire.NewWriter(l.in)
	l.wg.Go(func() { l.read(wire.NewReader(out)) })
	m, err := l.next(ctx, patience)
	hello, ok := m.(*wire.Hello)
	if err == nil && !ok {
		err = fmt.Errorf("%s began with %v, expected hello", name, m.Type())
	}
	if err != nil {
		l.Kill()
		return nil, err
	}
	l.Hello = hello
	l.Slowdown = max(1, float64(hello.Work)/float64(ownWork()))
	return l, nil
}

// ownWork is what Work takes here.
var ownWork = sync.OnceValue(wire.Work)

// read passes messages on. Pulses end here: they only say that the agent lives.
func (l *Link) read(r *wire.Reader) {
	defer close(l.msgs)
	for {
		m, err := r.Next()
		l.mu.Lock()
		l.heard = time.Now()
		if _, noise := r.Noise(); len(noise) > 0 {
			l.said.keep(noise)
		}
		l.err = err
		l.mu.Unlock()
		if err != nil {
			return
		}
		if m.Type() != wire.TypePulse {
			l.msgs <- m
		}
	}
}

// next waits for a message. It gives up when the agent has been silent for longer than quiet.
func (l *Link) next(ctx context.Context, quiet time.Duration) (wire.Message, error) {
	t := time.NewTimer(quiet)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case m, ok := <-l.msgs:
			if !ok {
				return nil, l.lost()
			}
			return m, nil
		case <-t.C:
		}
		l.mu.Lock()
		left := quiet - time.Since(l.heard)
		l.mu.Unlock()
		if left <= 0 {
			return nil, l.lostAs(fmt.Sprintf("it was silent for %v", quiet.Round(time.Second)))
		}
		t.Reset(left)
	}
}

// quiet is how long the agent may be silent.
func (l *Link) quiet() time.Duration { return time.Duration(float64(l.patience) * l.Slowdown) }

// lost says how the stream ended.
func (l *Link) lost() error {
	l.mu.Lock()
	err := l.err
	l.mu.Unlock()
	var version *wire.VersionError
	if errors.As(err, &version) {
		return &stress.EnvError{What: l.name, Err: err}
	}
	how := "its stream ended"
	if err != nil && !errors.Is(err, io.EOF) {
		how = err.Error()
	}
	return l.lostAs(how)
}

func (l *Link) lostAs(how string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &LostError{Name: l.name, How: how, Last: l.said.String()}
}

// Run has the agent run a program. Histories are handed to yield as stress.Target says.
func (l *Link) Run(ctx context.Context, m *wire.Run, yield func(*history.History) bool) error {
	if err := l.w.Write(m); err != nil {
		return l.lostAs(err.Error())
	}
	going := true
	var late time.Time // when a plan that was stopped should be over
	stop := func() error {
		if !going {
			return nil
		}
		going = false
		late = time.Now().Add(time.Duration(float64(l.stopping)*l.Slowdown) + m.Plan.Deadline)
		return l.w.Write(&wire.Stop{ID: m.ID})
	}
	drain := context.WithoutCancel(ctx)
	for {
		in, cancel := ctx, context.CancelFunc(func() {})
		if !going { // the agent is told once
			in, cancel = context.WithDeadlineCause(drain, late, errLate)
		}
		msg, err := l.next(in, l.quiet())
		cancel()
		if errors.Is(err, errLate) {
			return l.lostAs("it lives, but does not end a plan that it was told to end")
		}
		if err != nil && going && ctx.Err() != nil {
			if err := stop(); err != nil {
				return l.lostAs(err.Error())
			}
			continue
		}
		if err != nil {
			return err
		}
		switch msg := msg.(type) {
		case *wire.Result:
			if msg.ID != m.ID || !going {
				continue
			}
			h, err := history.ReadJSONL(bytes.NewReader(msg.History))
			if err != nil {
				return l.lostAs("it sent a malformed history: " + err.Error())
			}
			h.Target = l.name
			if len(h.Actors) != len(m.Program.Actors) {
				return l.lostAs("it sent a history of another program")
			}
			if !yield(h) {
				if err := stop(); err != nil {
					return l.lostAs(err.Error())
				}
			}
		case *wire.Done:
			if msg.ID == m.ID {
				return msg.Fault.Err(l.name)
			}
		}
	}
}

// Close tells the agent to end, and ends it if it does not.
func (l *Link) Close() error {
	l.w.Write(&wire.Bye{}) //nolint:errcheck // it may be gone already
	l.in.Close()           //nolint:errcheck // likewise
	t := time.AfterFunc(time.Duration(float64(byeTime)*l.Slowdown), func() { l.signal() })
	defer t.Stop()
	l.finish()
	return nil
}

// Kill ends the command at once, with all that it started.
func (l *Link) Kill() {
	l.in.Close() //nolint:errcheck // it is over
	l.signal()
	l.finish()
}

func (l *Link) signal() {
	syscall.Kill(-l.cmd.Process.Pid, syscall.SIGKILL) //nolint:errcheck // it may be gone
}

func (l *Link) finish() {
	for range l.msgs { // the reader must not block
	}
	l.wg.Wait()
	l.out.Close() //nolint:errcheck // its end was seen
	l.cmd.Wait()  //nolint:errcheck // how it ended was told, or nobody asks
	l.signal()    // what it left behind in its process group
}

// tail keeps the last of a text.
type tail struct{ b []byte }

const tailSize = 2 << 10

func (t *tail) keep(b []byte) {
	t.b = append(t.b, b[max(0, len(b)-tailSize):]...)
	if over := len(t.b) - tailSize; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
}

// String is the last lines, on one line.
func (t *tail) String() string {
	lines := strings.FieldsFunc(string(t.b), func(r rune) bool { return r == '\n' || r == '\r' })
	return history.Printable(strings.Join(lines[max(0, len(lines)-5):], " | "))
}

// lockedTail is standard error.
type lockedTail struct{ l *Link }

func (t *lockedTail) Write(b []byte) (int, error) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	t.l.said.keep(b)
	return len(b), nil
}
