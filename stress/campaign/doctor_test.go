package campaign

import (
	"errors"
	"strings"
	"testing"

	"tracehammer/stress"
)

// TestSymptoms: what a doctor says about machines that this one is not.
func TestSymptoms(t *testing.T) {
	good := stress.Machine{Kernel: "Linux 6.18.44", Arch: "amd64", CPUs: []int{0, 1}, Root: true, Proc: true, YamaScope: -1, UserNS: 1000, TaskLimit: true, KernelLog: true}
	refused := &stress.EnvError{What: "ptrace is refused", Err: errors.New("operation not permitted"), Hint: "a seccomp filter"}
	for _, c := range []struct {
		name   string
		change func(*stress.Machine)
		err    error
		want   string // what is not ok
	}{
		{"root", func(*stress.Machine) {}, nil, ""},
		{"plain user", func(d *stress.Machine) { d.Root, d.Confined, d.TaskLimit, d.KernelLog = false, true, false, false }, nil, "note user, note task limit, note kernel log"},
		{"root of a user namespace", func(d *stress.Machine) { d.Confined = true }, nil, "note user"},
		{"no user namespaces", func(d *stress.Machine) { d.Root, d.Confined, d.UserNS = false, true, 0 }, refused, "fail host target, note user, fail user ns"},
		{"no /proc", func(d *stress.Machine) { d.Root, d.Confined, d.Proc, d.UserNS = false, true, false, -1 }, refused, "fail host target, note user, note user ns, note yama"},
		{"nobody may attach", func(d *stress.Machine) { d.YamaScope = 3 }, refused, "fail host target, fail yama"},
		{"one CPU, tainted", func(d *stress.Machine) { d.CPUs, d.Taint = []int{0}, 1<<9 }, nil, "note cpus, note kernel log"},
	} {
		d := good
		c.change(&d)
		var got []string
		for _, s := range symptoms(d, c.err) {
			if s.State != symptomOK {
				got = append(got, s.State+" "+s.Name)
			}
			if s.Detail == "" || s.State == symptomFail && s.Hint == "" {
				t.Errorf("%s: nothing said about %s", c.name, s.Name)
			}
		}
		if all := strings.Join(got, ", "); all != c.want {
			t.Errorf("%s: %s, want %s", c.name, all, c.want)
		}
	}
}
