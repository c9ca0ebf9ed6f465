package host

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
	"tracehammer/stress"
)

// initialUserNS is the inode of the initial user namespace (PROC_USER_INIT_INO), the same on every kernel.
const initialUserNS = 0xEFFFFFFD

// Profile is what actors of this process find different from the zero Profile. Without /proc no actors run.
func Profile() engine.Profile {
	m := Kernel()
	return m.Profile("host")
}

// Kernel is the part of Info that profiles and scenarios depend on.
func Kernel() stress.Machine {
	m := stress.Machine{Kernel: kernelName(), Release: release(), Arch: runtime.GOARCH, Under: under(), System: system(), YamaScope: readInt("/proc/sys/kernel/yama/ptrace_scope"),
		CPUs: allowedCPUs(), Ticks: ticks(), Lacks: lacks(Features())}
	if os.Geteuid() != 0 { // namespaces makes one in which nobody else exists
		m.Confined, m.Users, m.Groups = true, 1, 1
		return m
	}
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/user", &st) != nil || st.Ino == initialUserNS {
		return m
	}
	m.Users, m.Groups = mapped("uid_map"), mapped("gid_map")
	// gVisor numbers its initial namespace like any other.
	m.Confined = m.System != engine.GVisor || m.Users|m.Groups != 0
	return m
}

// under is the architecture of a kernel that runs this process as a program of another one: uname tells a program of 32 bits the truth, but in
// the personality of setarch(8).
func under() string {
	var u unix.Utsname
	if runtime.GOARCH == "386" && unix.Uname(&u) == nil && unix.ByteSliceToString(u.Machine[:]) == "x86_64" {
		return "amd64"
	}
	return ""
}

// system is what the kernel is besides its architecture, as corpus.Systems name it; "" for a Linux on hardware.
func system() string {
	if strings.HasSuffix(release(), "-gvisor") { // pkg/sentry/kernel/version of gVisor
		return engine.GVisor
	}
	found := ""
	eachLine("/proc/cpuinfo", func(line string) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "vendor_id" && strings.TrimSpace(value) == "User Mode Linux" { // show_cpuinfo of arch/um
			found = engine.UserModeLinux
		}
	})
	return found
}

// mapped is how many user or group ids from 0 on exist in the namespace of this process; 0 for all that actors may ask for.
func mapped(ids string) uint16 {
	const all = 1 << 16
	text, err := os.ReadFile("/proc/self/" + ids)
	if err != nil {
		return 1
	}
	var known int64
	for line := range strings.Lines(string(text)) { // in order of the ids
		var first, outside, n int64
		if _, err := fmt.Sscan(line, &first, &outside, &n); err == nil && first == known {
			known += n
		}
	}
	if known >= all {
		return 0
	}
	return uint16(known)
}
