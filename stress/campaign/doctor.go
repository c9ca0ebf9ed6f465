package campaign

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"

	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/host"
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
	err := host.Probe()
	for _, s := range append(symptoms(host.Info(), err), compiler()) {
		if err := out.Report(s); err != nil {
			return err
		}
	}
	return err
}

// symptoms judges a host on which a probe ended with err.
func symptoms(d stress.Machine, err error) []Symptom {
	target := Symptom{Name: "host target", State: symptomOK, Detail: "actors start, trace each other, and end without a trace"}
	if err != nil {
		target.State, target.Detail = symptomFail, err.Error()
		var env *stress.EnvError
		if errors.As(err, &env) {
			target.Detail, target.Hint = (&stress.EnvError{What: env.What, Err: env.Err}).Error(), env.Hint
		}
	}
	list := []Symptom{
		{Name: "kernel", State: symptomOK, Detail: d.Kernel + " " + d.Arch},
		{Name: "engine target", State: symptomOK, Detail: "needs nothing"},
		{Name: "live target", State: symptomOK, Detail: fmt.Sprintf("needs nothing; %d goroutines run at a time", runtime.GOMAXPROCS(0))},
		target, cpus(d), user(d),
	}
	if !d.Root {
		list = append(list, userNamespaces(d))
	}
	return append(list, yama(d), taskLimit(d), kernelLog(d))
}

func cpus(d stress.Machine) Symptom {
	s := Symptom{Name: "cpus", State: symptomOK, Detail: fmt.Sprint(len(d.CPUs))}
	if len(d.CPUs) < 2 {
		s.State, s.Hint = symptomNote, "with one CPU races happen only where the kernel preempts: give the machine, or this process, two"
	}
	return s
}

func user(d stress.Machine) Symptom {
	const hint = "as root of the machine, scenarios \"on root\" run as well"
	switch {
	case !d.Root:
		return Symptom{"user", symptomNote, fmt.Sprintf("uid %d: actors run in a user namespace", os.Geteuid()), hint}
	case d.Confined:
		return Symptom{"user", symptomNote, "root of a user namespace", hint}
	}
	return Symptom{Name: "user", State: symptomOK, Detail: "root"}
}

func userNamespaces(d stress.Machine) Symptom {
	s := Symptom{Name: "user ns", State: symptomOK}
	switch {
	case d.UserNS < 0:
		s.State, s.Detail = symptomNote, unknown
	case d.UserNS == 0:
		s.State, s.Detail, s.Hint = symptomFail, "there may be none", "sysctl user.max_user_namespaces=1000, or run as root"
	default:
		s.Detail = fmt.Sprintf("there may be %d", d.UserNS)
	}
	return s
}

const unknown = "unknown without /proc"

func yama(d stress.Machine) Symptom {
	s := Symptom{Name: "yama", State: symptomOK}
	switch {
	case !d.Proc:
		s.State, s.Detail = symptomNote, unknown
	case d.YamaScope < 0:
		s.Detail = "not there"
	case d.YamaScope == 3:
		s.State, s.Detail, s.Hint = symptomFail, "ptrace_scope 3: nobody may attach", "boot with a lower kernel.yama.ptrace_scope"
	default:
		s.Detail = fmt.Sprintf("ptrace_scope %d", d.YamaScope)
	}
	return s
}

func taskLimit(d stress.Machine) Symptom {
	if d.TaskLimit {
		return Symptom{Name: "task limit", State: symptomOK, Detail: "by a cgroup"}
	}
	return Symptom{"task limit", symptomNote, "no cgroup to write to: only programs bound their own tasks", "as root with cgroups mounted there is a second limit"}
}

func kernelLog(d stress.Machine) Symptom {
	if !d.KernelLog {
		return Symptom{"kernel log", symptomNote, "not readable", "run as root, else warnings and oopses of the kernel are not seen"}
	}
	s := Symptom{Name: "kernel log", State: symptomOK, Detail: "readable"}
	if d.Taint != 0 {
		s.State, s.Detail = symptomNote, fmt.Sprintf("readable; the kernel is tainted already (%#x)", d.Taint)
	}
	return s
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
