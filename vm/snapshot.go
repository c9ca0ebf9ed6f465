package vm

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/vm/wire"
)

// A machine of QEMU is saved after its boot, as a migration into a file in memory, and a machine that was lost is replaced by one
// that the migration goes on in: it is back without booting. Its agent notices nothing; to it stressd never said a word.
// savevm would need a disk image of a kind that has snapshots.

// snapshot is a machine that waits for its first plan.
type snapshot struct {
	state *os.File
	hello *wire.Hello
	slow  float64
}

// Times of snapshots, where this machine has nothing else to do: under a second.
const (
	saveTime    = time.Minute
	restoreTime = time.Minute
	savePoll    = 10 * time.Millisecond
)

// save stops the machine, saves it, and lets it go on.
func (l *Link) save(ctx context.Context) (_ *snapshot, err error) {
	ctx, cancel := context.WithTimeout(ctx, saveTime)
	defer cancel()
	fd, err := unix.MemfdCreate("tracehammer-snapshot", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "snapshot")
	defer func() {
		if err != nil {
			f.Close() //nolint:errcheck // the first error counts
		}
	}()
	if err := l.monitor.do(ctx, "stop", nil, nil); err != nil {
		return nil, err
	}
	err = l.monitor.migrate(ctx, f)
	if e := l.monitor.do(context.WithoutCancel(ctx), "cont", nil, nil); err == nil {
		err = e
	}
	if err != nil {
		return nil, err
	}
	return &snapshot{state: f, hello: l.Hello, slow: l.Slowdown}, nil
}

// migrate sends the machine into a file.
func (q *qmp) migrate(ctx context.Context, f *os.File) error {
	const name = "snapshot"
	if err := q.pass(ctx, name, f); err != nil {
		return err
	}
	unlimited := map[string]int64{"max-bandwidth": 1 << 40} // bytes a second; the default is that of a network
	if err := q.do(ctx, "migrate-set-parameters", unlimited, nil); err != nil {
		return err
	}
	if err := q.do(ctx, "migrate", map[string]string{"uri": "fd:" + name}, nil); err != nil {
		return err
	}
	t := time.NewTicker(savePoll)
	defer t.Stop()
	for {
		var s struct {
			Status string `json:"status"`
			Why    string `json:"error-desc"`
		}
		if err := q.do(ctx, "query-migrate", nil, &s); err != nil {
			return err
		}
		switch s.Status {
		case "completed":
			return nil
		case "failed", "cancelled":
			return fmt.Errorf("QEMU: the migration %s: %s", s.Status, s.Why)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
		}
	}
}

// pass gives QEMU a file by a name: it travels beside the command.
func (q *qmp) pass(ctx context.Context, name string, f *os.File) error {
	return q.command(ctx, "getfd", map[string]string{"fdname": name}, nil, func(text []byte) error {
		_, _, err := q.conn.WriteMsgUnix(text, unix.UnixRights(int(f.Fd())), nil)
		return err
	})
}

// restore waits until a machine that began with a snapshot is alive.
func (l *Link) restore(ctx context.Context, s *snapshot) error {
	ctx, cancel := context.WithTimeout(ctx, restoreTime)
	defer cancel()
	t := time.NewTicker(savePoll)
	defer t.Stop()
	for {
		var status struct {
			Status string `json:"status"`
		}
		if err := l.monitor.do(ctx, "query-status", nil, &status); err != nil {
			return err
		}
		if status.Status != "inmigrate" {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
		}
	}
	l.Hello, l.Slowdown, l.patience = s.hello, s.slow, quietTime
	return l.monitor.do(ctx, "cont", nil, nil)
}

// file is the snapshot, to be read from its beginning.
func (s *snapshot) file() (*os.File, error) {
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", s.state.Fd()))
}
