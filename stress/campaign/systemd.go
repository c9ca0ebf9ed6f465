package campaign

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// Systemd tells the service manager that started this process how the campaign does, by the protocol of sd_notify(3): READY=1 when it
// runs, a status line, and WATCHDOG=1 as long as it gets on. A campaign none of whose targets gets on says nothing, and is killed and
// started again; then it goes on.
type Systemd struct {
	conn  *net.UnixConn
	every time.Duration // between what the watchdog is told; 0: there is none
	last  time.Time
	moved uint64
}

// statusLineEvery is how often a service manager is told the status line.
const statusLineEvery = 10 * time.Second

// NewSystemd returns nil if no service manager wants to know. Children are not to answer in this process's place: the variables of the
// protocol are taken from the environment.
func NewSystemd() (*Systemd, error) {
	socket, watchdog := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, fmt.Errorf("notify systemd: %w", err)
		}
	}
	if socket == "" {
		return nil, nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: socket}) // "@NAME" is an abstract one
	if err != nil {
		return nil, fmt.Errorf("notify systemd: %w", err)
	}
	s := &Systemd{conn: conn}
	if usec, err := strconv.ParseInt(watchdog, 10, 64); err == nil && usec > 0 {
		s.every = time.Duration(usec) * time.Microsecond / 4
	}
	return s, nil
}

// Report implements Reporter.
func (s *Systemd) Report(e Event) error {
	switch e := e.(type) {
	case Start:
		return s.say("READY=1\nSTATUS=racing ptrace")
	case Summary:
		return s.say("STOPPING=1\nSTATUS=" + fmt.Sprintf("%d findings, %d of them new", e.Findings, e.NewFindings))
	case Progress:
		return s.progress(e)
	}
	return nil
}

func (s *Systemd) progress(p Progress) error {
	every := statusLineEvery
	if s.every > 0 {
		every = min(every, s.every)
	}
	if time.Since(s.last) < every {
		return nil
	}
	var runs uint64
	for _, t := range p.Targets {
		runs += t.Runs + t.Lost
	}
	text := "STATUS=" + progressText(p)
	if runs != s.moved && s.every > 0 {
		text += "\nWATCHDOG=1"
	}
	s.last, s.moved = time.Now(), runs
	return s.say(text)
}

func (s *Systemd) say(text string) error {
	if _, err := s.conn.Write([]byte(text)); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}
