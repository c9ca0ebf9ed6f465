package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
)

// qmp is QEMU's control connection (QEMU Machine Protocol: JSON objects, one answer to each command, events in between). One
// goroutine at a time commands; its lock is a leaf.
type qmp struct {
	conn    *net.UnixConn
	answers chan qmpAnswer // closed at the end of the connection
	tell    sync.Mutex     // held while a command waits for its answer

	mu      sync.Mutex
	stopped string // why the machine stopped for good, in QEMU's words; "" if it did not say
	panics  bool   // the guest's panic device was used
}

type qmpAnswer struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
	Data  struct {
		Reason string `json:"reason"`
	} `json:"data"`
}

// newQMP starts to listen. It ends with the connection. QEMU takes commands and tells events once it was greeted; it finds that
// in the socket when it begins to read.
func newQMP(conn *net.UnixConn) *qmp {
	q := &qmp{conn: conn, answers: make(chan qmpAnswer, 1)}
	q.tell.Lock()
	go q.read()
	go func() {
		defer q.tell.Unlock()
		if _, err := conn.Write([]byte(`{"execute":"qmp_capabilities"}` + "\n")); err == nil {
			<-q.answers // or the end
		}
	}()
	return q
}

func (q *qmp) read() {
	defer close(q.answers)
	for d := json.NewDecoder(q.conn); ; {
		var a qmpAnswer
		if d.Decode(&a) != nil {
			return
		}
		switch {
		case a.Event == "SHUTDOWN":
			q.mu.Lock()
			q.stopped = a.Data.Reason
			q.mu.Unlock()
		case a.Event == "GUEST_PANICKED":
			q.mu.Lock()
			q.panics = true
			q.mu.Unlock()
		case a.Return != nil || a.Error != nil:
			q.answers <- a
		}
	}
}

// errMonitor says that QEMU does not answer, which is as good as being gone.
var errMonitor = errors.New("QEMU's monitor is gone")

// do executes a command and stores its result, if result is not nil.
func (q *qmp) do(ctx context.Context, name string, args, result any) error {
	return q.command(ctx, name, args, result, func(text []byte) error {
		_, err := q.conn.Write(text)
		return err
	})
}

// command is do with a way to send of its own.
func (q *qmp) command(ctx context.Context, name string, args, result any, send func([]byte) error) error {
	q.tell.Lock()
	defer q.tell.Unlock()
	text, err := json.Marshal(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
	}{name, args})
	if err == nil {
		err = send(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("QEMU: %s: %w", name, err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("QEMU: %s: %w", name, context.Cause(ctx))
	case a, ok := <-q.answers:
		switch {
		case !ok:
			return fmt.Errorf("QEMU: %s: %w", name, errMonitor)
		case a.Error != nil:
			return fmt.Errorf("QEMU: %s: %s", name, a.Error.Desc)
		case result != nil:
			return json.Unmarshal(a.Return, result)
		}
		return nil
	}
}

// end is how the machine ended: QEMU's reason, and whether the guest said that it panicked.
func (q *qmp) end() (reason string, panics bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stopped, q.panics
}
