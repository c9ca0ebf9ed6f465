package wire

import (
	"errors"
	"io"
	"sync"
	"time"
)

// TerminalWindow is the window of an agent whose stream is a terminal. The line discipline takes 4096 bytes, and stops its
// driver when 128 of them are free (drivers/tty/n_tty.c). That of User Mode Linux never starts again: line_throttle takes the
// file descriptor out of the kernel's interrupts, and line_unthrottle does not put it back (arch/um/drivers/line.c of 6.1).
const TerminalWindow = 3 << 10

// Acknowledge returns a reader on r that acknowledges what was read, often enough for a window to stay open.
func Acknowledge(r io.Reader, w *Writer, window int64) io.Reader {
	return &acknowledging{r: r, w: w, every: window / 4}
}

type acknowledging struct {
	r                  io.Reader
	w                  *Writer
	every, read, acked int64
}

func (a *acknowledging) Read(b []byte) (int, error) {
	n, err := a.r.Read(b)
	if a.read += int64(n); a.read-a.acked >= a.every {
		a.acked = a.read
		err = errors.Join(err, a.w.Write(&Ack{Bytes: a.read}))
	}
	return n, err
}

// ErrShut says that a window did not open in time.
var ErrShut = errors.New("the other end does not take what is sent to it")

// Window is a writer that keeps no more than a window's bytes on their way. Its lock is a leaf.
type Window struct {
	w       io.Writer
	size    int64
	patient time.Duration // how long a Write waits for the next Ack

	mu          sync.Mutex
	sent, acked int64
	opened      chan struct{} // has room for one; filled by Acked
}

// NewWindow returns a Window of so many bytes on w. A Write that waits for longer than patience is ErrShut.
func NewWindow(w io.Writer, size int64, patience time.Duration) *Window {
	return &Window{w: w, size: size, patient: patience, opened: make(chan struct{}, 1)}
}

// Acked takes an Ack.
func (w *Window) Acked(a *Ack) {
	w.mu.Lock()
	w.acked = min(max(w.acked, a.Bytes), w.sent)
	w.mu.Unlock()
	select {
	case w.opened <- struct{}{}:
	default:
	}
}

// waitStep is what a wait is counted in. A step in which this process did not run, because it was stopped, is one step however long it took.
const waitStep = time.Second

// wait waits for an Ack.
func (w *Window) wait() error {
	for left := w.patient; left > 0; left -= waitStep {
		t := time.NewTimer(min(left, waitStep))
		select {
		case <-w.opened:
			t.Stop()
			return nil
		case <-t.C:
		}
	}
	return ErrShut
}

// Write implements io.Writer.
func (w *Window) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		w.mu.Lock()
		open := min(w.size-(w.sent-w.acked), int64(len(b)-n))
		w.sent += open
		w.mu.Unlock()
		if open == 0 {
			err = w.wait()
			continue
		}
		var k int
		k, err = w.w.Write(b[n : n+int(open)])
		n += k
	}
	return n, err
}
