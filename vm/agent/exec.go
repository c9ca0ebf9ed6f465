package agent

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"github.com/sourcegraph/conc"

	"tracehammer/vm/wire"
)

// program is the one program that an agent runs for stressd, besides plans.
type program struct {
	mu    sync.Mutex // a leaf
	id    uint32
	cmd   *exec.Cmd // nil if none runs
	stdin io.WriteCloser
	wg    conc.WaitGroup
}

// exec starts a program; its end is told by an Exit, and so is that it could not be started.
func (a *agent) exec(ctx context.Context, m *wire.Exec) error {
	refuse := func(why string) error { return a.w.Write(&wire.Exit{ID: m.ID, Code: -1, Error: why}) }
	p := &a.program
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.cmd != nil:
		return refuse("another program is running")
	case len(m.Argv) == 0:
		return refuse("no program was named")
	}
	c := exec.CommandContext(ctx, m.Argv[0], m.Argv[1:]...)
	c.Env, c.Dir = append(os.Environ(), m.Env...), m.Dir
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.Stdout, c.Stderr = output{a.w, m.ID, 1}, output{a.w, m.ID, 2}
	stdin, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return refuse(err.Error())
	}
	p.id, p.cmd, p.stdin = m.ID, c, stdin
	p.wg.Go(func() {
		e := exit(m.ID, c.Wait())
		p.mu.Lock()
		p.cmd = nil
		p.mu.Unlock()
		a.w.Write(e) //nolint:errcheck // who does not listen any more is told by the stream's end
	})
	return nil
}

// exit says how a program ended.
func exit(id uint32, err error) *wire.Exit {
	e := &wire.Exit{ID: id}
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		e.Code = ended.ExitCode()
		if ws, ok := ended.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			e.Signal = int(ws.Signal())
		}
	case err != nil:
		e.Code, e.Error = -1, err.Error()
	}
	return e
}

// input passes bytes on. A program that does not read them makes stressd wait, as a pipe does.
func (p *program) input(m *wire.Input) {
	p.mu.Lock()
	stdin := p.stdin
	mine := p.cmd != nil && p.id == m.ID
	p.mu.Unlock()
	if !mine {
		return
	}
	stdin.Write(m.Data) //nolint:errcheck // a program may close its input
	if m.EOF {
		stdin.Close() //nolint:errcheck // likewise
	}
}

// kill ends the program that runs, with its process group.
func (p *program) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		p.cmd.Cancel() //nolint:errcheck // it may be gone
	}
}

// output sends what a program writes.
type output struct {
	w      *wire.Writer
	id     uint32
	stream int
}

func (o output) Write(b []byte) (int, error) {
	const piece = 64 << 10
	for n := 0; n < len(b); n += piece {
		if err := o.w.Write(&wire.Output{ID: o.id, Stream: o.stream, Data: b[n:min(n+piece, len(b))]}); err != nil {
			return n, err
		}
	}
	return len(b), nil
}
