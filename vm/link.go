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
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/sourcegraph/conc"

	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/history/jsonl"
	"tracehammer/vm/wire"
)

// Times of a link, as they are where the other machine is as fast as this one. They are there for what a busy machine makes
// everybody wait, which does not grow with a slow machine's slowness: what grows is the work in them, a small part.
const (
	helloTime = 20 * time.Second // from the start of an agent to its Hello, not counting a boot
	quietTime = 10 * time.Second // an agent says every second that it lives
	byeTime   = 5 * time.Second  // to end when told to
	stopTime  = 30 * time.Second // from Stop to Done: what is under way ends first, a hang by its deadline and clean-up
	panicTime = 3 * time.Second  // a machine whose kernel panics ends at once (panic=-1), unless it hangs in that
)

// workShare is how much of such a time is work: an execve, the longest step of an actor, takes a third of a millisecond here,
// of the 300 that make a hang, and agents and actors take a few steps.
const workShare = 1.0 / 30

// stretch is a time on a machine with a slowdown.
func stretch(d time.Duration, slowdown float64) time.Duration {
	return d + time.Duration(float64(d)*workShare*(slowdown-1))
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
	monitor            *qmp          // nil if there is none
	over               chan struct{} // closed when the command may be waited for
	ended              chan struct{} // closed when it was
	w                  *wire.Writer
	window             *wire.Window // nil if there is none
	in                 io.WriteCloser
	out                io.Closer
	msgs               chan wire.Message // closed at the end of the stream
	wg                 conc.WaitGroup
	starved            time.Duration // how long the carrier waited for CPUs while the last result was waited for, as far as that took seconds

	mu    sync.Mutex
	heard time.Time // when the last message came
	err   error     // how the stream ended
	said  transcript
}

// A carrier is a command that carries the messages of an agent.
type carrier struct {
	cmd *exec.Cmd
	// separate: messages have a socket of their own, on file descriptor linkFD, and standard output is a console. Files that
	// the command is to have besides come after it.
	separate bool
	files    []*os.File // closed when the command was started
	monitor  *qmp       // nil if there is none
	console  io.Writer  // gets what comes besides messages; may be nil
	nice     int        // of the command's share of CPUs
}

const linkFD = 3

// start starts a carrier and waits for the agent's Hello; patience is how long that may take.
func start(ctx context.Context, name string, c carrier, patience time.Duration) (*Link, error) {
	l, err := launch(name, c)
	if err != nil {
		return nil, err
	}
	m, err := l.next(ctx, patience)
	hello, ok := m.(*wire.Hello)
	if err == nil && !ok {
		err = fmt.Errorf("%s began with %v, expected hello", name, m.Type())
	}
	if err != nil {
		l.bury(err)
		return nil, err
	}
	l.Hello, l.patience = hello, quietTime
	l.Slowdown = max(1, float64(hello.Work)/float64(ownWork()))
	l.begin()
	return l, nil
}

// begin is the end of a machine's start.
func (l *Link) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Hello.Window > 0 {
		l.window = wire.NewWindow(l.in, l.Hello.Window, l.quiet())
		l.w = wire.NewWriter(l.window)
	}
	l.said.begin()
}

// launch starts a carrier, and to listen to it.
func launch(name string, c carrier) (*Link, error) {
	l := &Link{name: name, cmd: c.cmd, monitor: c.monitor, over: make(chan struct{}), ended: make(chan struct{}), msgs: make(chan wire.Message, 64), heard: time.Now()}
	l.said.init()
	l.said.also = c.console
	in, out, theirs, err := streams(c.separate)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	l.in, l.out = in, out
	c.cmd.Stderr, c.cmd.WaitDelay = &lockedTranscript{l}, byeTime
	if c.separate {
		c.cmd.Stdout, c.cmd.ExtraFiles = c.cmd.Stderr, append(theirs, c.files...)
	} else {
		c.cmd.Stdin, c.cmd.Stdout, c.cmd.ExtraFiles = theirs[0], theirs[1], c.files
	}
	if c.cmd.SysProcAttr == nil {
		c.cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// Each machine is a session, and so a group that the scheduler gives a share of its own (sched_autogroup(7)). In one group with stressd, emulators,
	// whose threads always have something to do, kept it from the actors of other targets, the more so the busier they were; and a User Mode Linux,
	// whose processes run one at a time, got a quarter of what it gets now.
	c.cmd.SysProcAttr.Setsid, c.cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	if err = l.execute(); err == nil && c.nice != 0 {
		// Where groups are made in another way, or not at all, it has the share that it has.
		os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", c.cmd.Process.Pid), []byte(strconv.Itoa(c.nice)), 0) //nolint:errcheck // see above
	}
	for _, f := range append(theirs, c.files...) {
		f.Close() //nolint:errcheck // the command's
	}
	if err != nil {
		in.Close()  //nolint:errcheck // nobody reads it
		out.Close() //nolint:errcheck // nobody writes it
		return nil, startError(name, c.cmd, err)
	}
	l.w = wire.NewWriter(l.in)
	l.wg.Go(func() { l.read(wire.NewReader(out)) })
	return l, nil
}

// streams makes the connection to a command: our ends, and the files that it gets.
func streams(separate bool) (in io.WriteCloser, out io.ReadCloser, theirs []*os.File, err error) {
	if separate {
		conn, them, err := socketpair("link")
		if err != nil {
			return nil, nil, nil, err
		}
		return writeHalf{conn}, conn, []*os.File{them}, nil
	}
	theirIn, ourIn, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, err
	}
	ourOut, theirOut, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, errors.Join(err, theirIn.Close(), ourIn.Close())
	}
	return ourIn, ourOut, []*os.File{theirIn, theirOut}, nil
}

// writeHalf is the half of a socket that is closed to say that nothing more comes.
type writeHalf struct{ *net.UnixConn }

func (h writeHalf) Close() error { return h.CloseWrite() }

// execute starts the command on a thread that lives as long as the command: its death is what Pdeathsig waits for.
func (l *Link) execute() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer close(l.ended)
		err := l.cmd.Start()
		started <- err
		if err == nil {
			<-l.over
			l.cmd.Wait() //nolint:errcheck // its state is kept
		}
	}()
	return <-started
}

// startError says why a command did not start.
func startError(name string, cmd *exec.Cmd, err error) error {
	e := &stress.EnvError{What: "cannot start " + name, Err: err, Hint: "is the command installed?"}
	if cmd.SysProcAttr.Cloneflags != 0 && !errors.Is(err, os.ErrNotExist) {
		e.Hint = "run as root, or allow unprivileged user namespaces"
	}
	return e
}

// ownWork is what Work takes here.
var ownWork = sync.OnceValue(wire.Work)

// read passes messages on. Pulses and acknowledgements end here.
func (l *Link) read(r *wire.Reader) {
	defer close(l.msgs)
	for {
		m, err := r.Next()
		l.mu.Lock()
		l.heard = time.Now()
		if _, noise := r.Noise(); len(noise) > 0 {
			l.said.Write(noise) //nolint:errcheck // never fails
		}
		l.err = err
		window := l.window
		l.mu.Unlock()
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *wire.Pulse:
		case *wire.Ack:
			if window != nil {
				window.Acked(m)
			}
		default:
			l.msgs <- m
		}
	}
}

// next waits for a message. It gives up when the agent has been silent for longer than quiet, or for panicTime after its kernel's panic.
func (l *Link) next(ctx context.Context, quiet time.Duration) (wire.Message, error) {
	t := time.NewTimer(min(quiet, lookEvery))
	defer t.Stop()
	starving := starvation{pid: l.cmd.Process.Pid}
	silence := silence{looked: time.Now()}
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
		heard, panicked := l.heard, l.said.panicked
		l.mu.Unlock()
		starved := starving.look()
		l.starved += starved
		silent := silence.look(time.Now(), heard, starved)
		if silent >= quiet {
			how := fmt.Sprintf("it was silent for %v", quiet.Round(time.Second))
			if silence.excused >= time.Second {
				how += fmt.Sprintf(", and %v more in which it waited for CPUs, or nobody listened", silence.excused.Round(time.Second))
			}
			return nil, l.lostAs(Silent, how)
		}
		if !panicked.IsZero() && min(silent, time.Since(panicked)) >= stretch(panicTime, max(1, l.Slowdown)) {
			return nil, l.lostAs(Silent, "it was silent after its kernel's panic")
		}
		t.Reset(min(quiet-silent, lookEvery))
	}
}

// quiet is how long the agent may be silent.
func (l *Link) quiet() time.Duration { return stretch(l.patience, l.Slowdown) }

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
	return l.lostAs(Ended, how)
}

// unsent says that a message could not be sent.
func (l *Link) unsent(err error) error {
	if errors.Is(err, wire.ErrShut) {
		return l.lostAs(Silent, err.Error())
	}
	return l.lostAs(Ended, err.Error())
}

func (l *Link) lostAs(loss Loss, how string) error {
	return &LostError{Name: l.name, Loss: loss, How: how, Machine: l.Hello != nil && l.Hello.Init}
}

// Run has the agent run a program. Histories are handed to yield as stress.Target says.
func (l *Link) Run(ctx context.Context, m *wire.Run, yield func(*history.History) bool) error {
	if err := l.w.Write(m); err != nil {
		return l.unsent(err)
	}
	going := true
	var late time.Time // when a plan that was stopped should be over
	stop := func() error {
		if !going {
			return nil
		}
		going = false
		late = time.Now().Add(stretch(l.stopping, l.Slowdown) + m.Plan.Deadline)
		return l.w.Write(&wire.Stop{ID: m.ID})
	}
	drain := context.WithoutCancel(ctx)
	l.starved = 0
	for {
		in, cancel := ctx, context.CancelFunc(func() {})
		if !going { // the agent is told once
			in, cancel = context.WithDeadlineCause(drain, late, errLate)
		}
		msg, err := l.next(in, l.quiet())
		cancel()
		if errors.Is(err, errLate) {
			return l.lostAs(Endless, "it lives, but does not end a plan that it was told to end")
		}
		if err != nil && going && ctx.Err() != nil {
			if err := stop(); err != nil {
				return l.unsent(err)
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
			h, err := jsonl.Read(bytes.NewReader(msg.History))
			if err != nil {
				return l.lostAs(Garbled, "it sent a malformed history: "+err.Error())
			}
			h.Target = l.name
			h.Drain = max(h.Drain-l.starved, 0)
			l.starved = 0
			if len(h.Actors) != len(m.Program.Actors) {
				return l.lostAs(Garbled, "it sent a history of another program")
			}
			if !yield(h) {
				if err := stop(); err != nil {
					return l.unsent(err)
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
	t := time.AfterFunc(stretch(byeTime, l.Slowdown), l.signal)
	defer t.Stop()
	l.finish()
	return nil
}

// bury ends the command of a link that err says is lost, and has the LostError in it tell all that is known by then.
func (l *Link) bury(err error) {
	var lost *LostError
	is := errors.As(err, &lost)
	if is && lost.Loss == Ended { // it may still be saying why
		t := time.AfterFunc(byeTime, l.signal)
		defer t.Stop()
		l.finish()
	} else {
		l.Kill()
	}
	if !is {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	lost.Last, lost.Console = l.said.words(), l.said.lines()
	lost.Report = l.said.report()
	if l.monitor != nil {
		reason, panics := l.monitor.end()
		if reason != "" {
			lost.How += ", QEMU says " + reason
		}
		// The guest's init powers off when its agent has ended: nothing else resets a machine.
		lost.Died = panics || reason == "guest-reset" || reason == "guest-panic"
	}
	if lost.Loss == Ended && l.cmd.ProcessState != nil && !l.cmd.ProcessState.Success() {
		lost.How += ", " + l.cmd.ProcessState.String()
		ws, ok := l.cmd.ProcessState.Sys().(syscall.WaitStatus)
		lost.Killed = ok && ws.Signal() == syscall.SIGKILL
		lost.Died = ok && ws.Signaled() && !lost.Killed
		const cannotRun = 126 // of shells: sh(1p), exit status
		lost.Refused = ok && ws.ExitStatus() == cannotRun
	}
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
	close(l.over)
	<-l.ended
	if l.monitor != nil {
		l.monitor.conn.Close() //nolint:errcheck // QEMU is gone
	}
	l.signal() // what it left behind in its process group
}
