package campaign

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"tracehammer/stress"
	"tracehammer/stress/history"
)

// Finding out about a machine.
const (
	symptomOK   = "ok"
	symptomNote = "note" // works, but less well
	symptomFail = "fail" // a target cannot run
)

// Symptom is one thing that a doctor looked at.
type Symptom struct {
	Name   string `json:"name"`
	State  string `json:"state"` // ok, note, fail
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"` // what to do about it
}

// EventName implements Event.
func (Symptom) EventName() string { return "doctor" }

// Doctor looks at this machine. The error is that of the host target, if it cannot run.
func Doctor(out Reporter) error {
	hostErr := tryHost()
	host := Symptom{Name: "host target", State: symptomOK, Detail: "actors start, and end without a trace"}
	if hostErr != nil {
		host.State, host.Detail = symptomFail, hostErr.Error()
		var env *stress.EnvError
		if errors.As(hostErr, &env) {
			host.Detail, host.Hint = (&stress.EnvError{What: env.What, Err: env.Err}).Error(), env.Hint
		}
	}
	for _, s := range []Symptom{
		{Name: "kernel", State: symptomOK, Detail: thisKernel().String()},
		{Name: "engine target", State: symptomOK, Detail: "needs nothing"},
		host, cpus(), user(), yama(), kernelLog(), compiler(),
	} {
		if err := out.Report(s); err != nil {
			return err
		}
	}
	return hostErr
}

func tryHost() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	t, err := Open("host")
	if err != nil {
		return err
	}
	return t.Close()
}

func cpus() Symptom {
	s := Symptom{Name: "cpus", State: symptomOK, Detail: fmt.Sprint(runtime.NumCPU())}
	if runtime.NumCPU() < 2 {
		s.State, s.Hint = symptomNote, "with one CPU races happen only where the kernel preempts: give the machine two"
	}
	return s
}

func user() Symptom {
	if os.Geteuid() == 0 {
		return Symptom{Name: "user", State: symptomOK, Detail: "root"}
	}
	return Symptom{Name: "user", State: symptomNote, Detail: fmt.Sprintf("uid %d: actors run in a user namespace", os.Geteuid()),
		Hint: "as root, scenarios that need real privileges run as well"}
}

func yama() Symptom {
	const file = "/proc/sys/kernel/yama/ptrace_scope"
	s := Symptom{Name: "yama", State: symptomOK}
	text, err := os.ReadFile(file)
	scope := strings.TrimSpace(string(text))
	switch {
	case err != nil:
		s.Detail = "not there"
	case scope == "3":
		s.State, s.Detail, s.Hint = symptomFail, "ptrace_scope 3: nobody may attach", "boot with a lower kernel.yama.ptrace_scope"
	default:
		s.Detail = "ptrace_scope " + scope
	}
	return s
}

func kernelLog() Symptom {
	f, err := os.OpenFile("/dev/kmsg", os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return Symptom{"kernel log", symptomNote, err.Error(), "run as root, else warnings and oopses of the kernel are not seen"}
	}
	defer f.Close()
	return Symptom{Name: "kernel log", State: symptomOK, Detail: "readable"}
}

func compiler() Symptom {
	path, err := exec.LookPath("gcc")
	if err != nil {
		return Symptom{"gcc", symptomNote, "not found", "only needed to compile the C reproducers that findings come with: apt-get install gcc libc6-dev"}
	}
	return Symptom{Name: "gcc", State: symptomOK, Detail: path}
}

// DoctorText shows symptoms to people.
type DoctorText struct{ Out io.Writer }

// Report implements Reporter.
func (t DoctorText) Report(e Event) error {
	s, ok := e.(Symptom)
	if !ok {
		return nil
	}
	line := fmt.Sprintf("%-4s  %-13s %s\n", s.State, s.Name, history.Printable(s.Detail))
	if s.Hint != "" {
		line += fmt.Sprintf("%21s%s\n", "", history.Printable(s.Hint))
	}
	_, err := io.WriteString(t.Out, line)
	return err
}
