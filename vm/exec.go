package vm

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"tracehammer/vm/wire"
)

// piece is how much of a file or of an input goes into a message.
const piece = 64 << 10

// Program is what Exec runs in a machine.
type Program struct {
	Argv           []string
	Env            []string // besides the agent's
	Dir            string   // "" for the agent's
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Hello is what the machine's agent says of itself. The target must not be closed.
func (t *Target) Hello() *wire.Hello { return t.link.Hello }

// Slowdown is how much slower than this machine the other one is, at least 1.
func (t *Target) Slowdown() float64 { return t.link.Slowdown }

// Exec runs a program in the machine. A machine that is lost must be opened again.
func (t *Target) Exec(ctx context.Context, p *Program) (*wire.Exit, error) {
	t.plans++
	e, err := t.link.exec(ctx, t.plans, p)
	if err != nil {
		t.link.bury(err)
		t.link = nil
	}
	return e, err
}

func (l *Link) exec(ctx context.Context, id uint32, p *Program) (*wire.Exit, error) {
	if err := l.w.Write(&wire.Exec{ID: id, Argv: p.Argv, Env: p.Env, Dir: p.Dir}); err != nil {
		return nil, l.unsent(err)
	}
	go func() { // for as long as the input goes on: nobody can be told to stop reading a file
		buf := make([]byte, piece)
		for p.Stdin != nil {
			n, err := p.Stdin.Read(buf)
			if n > 0 && l.w.Write(&wire.Input{ID: id, Data: buf[:n]}) != nil {
				return
			}
			if err != nil {
				break
			}
		}
		l.w.Write(&wire.Input{ID: id, EOF: true}) //nolint:errcheck // who waits for the end is told
	}()
	for {
		m, err := l.next(ctx, l.quiet())
		if err != nil {
			return nil, err
		}
		switch m := m.(type) {
		case *wire.Output:
			to := p.Stdout
			if m.Stream == 2 {
				to = p.Stderr
			}
			if _, err := to.Write(m.Data); err != nil && m.ID == id {
				return nil, fmt.Errorf("write what a program in %s says: %w", l.name, err)
			}
		case *wire.Exit:
			if m.ID == id {
				return m, nil
			}
		}
	}
}

// Push copies a file into the machine.
func (t *Target) Push(path string, mode fs.FileMode, r io.Reader) error {
	buf := make([]byte, piece)
	for m := (wire.File{Path: path, Mode: uint32(mode.Perm()), First: true}); !m.Last; m.First = false {
		n, err := io.ReadFull(r, buf)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return fmt.Errorf("copy a file into %s: %w", t.name, err)
		}
		m.Data, m.Last = buf[:n], err != nil
		if err := t.link.w.Write(&m); err != nil {
			return t.link.unsent(err)
		}
	}
	return nil
}

// PushTree copies the regular files and the directories below dir into the machine, under their own names.
func (t *Target) PushTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		return t.Push(path, info.Mode(), f)
	})
}
