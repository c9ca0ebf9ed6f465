// Package agent is the end of stressd that runs in a machine: it answers one stressd over a stream of bytes, runs programs'
// actors on the machine's kernel for it, and whatever else it is told to run.
//
// It judges nothing: histories go back as they are. It trusts who started it, as whoever can write to the stream may run
// anything here. Its locks are the Writer's only; the goroutines are one that reads, one that runs plans (which keeps its
// thread: actors die with it), one that says that the agent lives, and those of a program that runs.
package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc"

	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/history/jsonl"
	"tracehammer/stress/host"
	"tracehammer/vm/wire"
)

// beat is how often an agent says that it lives.
const beat = time.Second

// Options of Serve.
type Options struct {
	Build string // version of the program, for Hello
	Init  bool   // the machine is there for this agent alone
	// Window is what the stream can hold, 0 if it holds the other end back when it is full.
	Window int64
}

type agent struct {
	w       *wire.Writer
	plans   chan *wire.Run
	wanted  atomic.Uint64 // 1 + ID of the plan whose results are wanted
	program program
	files   map[string]*os.File
}

// Serve answers until Bye, the end of the stream, or the end of ctx.
func Serve(ctx context.Context, r io.Reader, w io.Writer, opt Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := &agent{w: wire.NewWriter(w), plans: make(chan *wire.Run, 1), files: map[string]*os.File{}}
	fmt.Fprintln(os.Stderr, wire.Started)
	if err := a.w.Write(&wire.Hello{Build: opt.Build, Machine: host.Info(), Features: host.Features(), Work: wire.Work(), Init: opt.Init, Window: opt.Window}); err != nil {
		return err
	}
	if opt.Window > 0 {
		r = wire.Acknowledge(r, a.w, opt.Window)
	}
	var wg conc.WaitGroup
	wg.Go(func() { a.pulse(ctx) })
	wg.Go(func() { a.runPlans(ctx) })
	err := a.read(ctx, wire.NewReader(r))
	cancel()
	close(a.plans)
	a.program.kill()
	wg.Wait()
	a.program.wg.Wait()
	for _, f := range a.files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// pulse says now and then that the agent lives. Its clock is the time that it was awake: a machine that was stopped is not
// one that hung.
func (a *agent) pulse(ctx context.Context) {
	t := time.NewTicker(beat)
	defer t.Stop()
	var awake time.Duration
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := time.Now()
		awake += min(now.Sub(last), 2*beat)
		last = now
		if a.w.Write(&wire.Pulse{Awake: int64(awake)}) != nil {
			return
		}
	}
}

func (a *agent) read(ctx context.Context, r *wire.Reader) error {
	for ctx.Err() == nil {
		m, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *wire.Run:
			a.wanted.Store(1 + uint64(m.ID))
			select {
			case a.plans <- m:
			default:
				err = a.w.Write(&wire.Done{ID: m.ID, Fault: &wire.Fault{Kind: wire.FaultOther, Text: "another plan is under way"}})
			}
		case *wire.Stop:
			a.wanted.CompareAndSwap(1+uint64(m.ID), 0)
		case *wire.File:
			err = a.file(m)
		case *wire.Exec:
			err = a.exec(ctx, m)
		case *wire.Input:
			a.program.input(m)
		case *wire.Bye:
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// runPlans runs one plan after another on a host target of its own.
func (a *agent) runPlans(ctx context.Context) {
	runtime.LockOSThread()
	var target *host.Target
	for run := range a.plans {
		if ctx.Err() != nil {
			continue
		}
		var err error
		if target == nil {
			target, err = host.New()
		}
		if err == nil {
			err = a.run(ctx, target, run)
		}
		if a.w.Write(&wire.Done{ID: run.ID, Fault: fault(err)}) != nil {
			break
		}
	}
	if target != nil {
		target.Close() //nolint:errcheck // nobody is left to be told
	}
}

func (a *agent) run(ctx context.Context, target *host.Target, run *wire.Run) error {
	var buf bytes.Buffer
	var sent error
	err := target.Run(ctx, run.Program, run.Plan, func(h *history.History) bool {
		if a.wanted.Load() != 1+uint64(run.ID) {
			return false
		}
		buf.Reset()
		if sent = jsonl.Write(&buf, h); sent == nil {
			sent = a.w.Write(&wire.Result{ID: run.ID, History: buf.Bytes()})
		}
		return sent == nil
	})
	return errors.Join(err, sent)
}

// fault makes an error into what can be sent.
func fault(err error) *wire.Fault {
	if err == nil {
		return nil
	}
	f := &wire.Fault{Kind: wire.FaultOther, Text: err.Error()}
	var env *stress.EnvError
	var prog *stress.ProgramError
	var unkillable *host.UnkillableError
	switch {
	case errors.As(err, &env):
		f.Kind, f.Hint = wire.FaultEnv, env.Hint
		f.Text = (&stress.EnvError{What: env.What, Err: env.Err}).Error()
	case errors.As(err, &prog):
		f.Kind, f.Text = wire.FaultProgram, prog.Err.Error()
	case errors.As(err, &unkillable):
		f.Kind, f.Text = wire.FaultUnkillable, unkillable.Error()
	}
	return f
}

// file writes a piece of a file. What it cannot write ends the agent: who sends files cannot go on without them.
func (a *agent) file(m *wire.File) error {
	f := a.files[m.Path]
	if m.First {
		if f != nil {
			f.Close() //nolint:errcheck // it is replaced
		}
		err := os.MkdirAll(filepath.Dir(m.Path), 0o755)
		if err == nil {
			f, err = os.OpenFile(m.Path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, os.FileMode(m.Mode)&os.ModePerm)
		}
		if err != nil {
			return fmt.Errorf("create a file for stressd: %w", err)
		}
		a.files[m.Path] = f
	}
	if f == nil {
		return fmt.Errorf("a piece of %q without its beginning", m.Path)
	}
	if _, err := f.Write(m.Data); err != nil {
		return fmt.Errorf("write a file for stressd: %w", err)
	}
	if m.Last {
		delete(a.files, m.Path)
		return f.Close()
	}
	return nil
}
