package host

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
)

// initialUserNS is the inode of the initial user namespace (PROC_USER_INIT_INO), the same on every kernel.
const initialUserNS = 0xEFFFFFFD

// Profile is what actors of this process find different from the zero Profile. Without /proc no actors run.
func Profile() engine.Profile {
	p, err := engine.ProfileFor(release(), runtime.GOARCH)
	if err != nil {
		p = engine.Profile{} // a kernel that does not say: the newest
	}
	p.Name, p.Yama = "host", yama()
	if os.Geteuid() != 0 { // namespaces makes one in which nobody else exists
		p.UserNamespace, p.Users = true, 1
		return p
	}
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/user", &st) != nil || st.Ino == initialUserNS {
		return p
	}
	p.UserNamespace, p.Users = true, mappedUsers()
	return p
}

// yama is the level of the Yama security module (R108). Without it, or where nobody can tell, there is none.
func yama() engine.Yama {
	if scope := readInt("/proc/sys/kernel/yama/ptrace_scope"); scope >= 0 {
		return min(engine.YamaClassic+engine.Yama(scope), engine.YamaNoAttach)
	}
	return engine.YamaAbsent
}

// mappedUsers is how many user ids from 0 on exist in the namespace of this process; 0 for all that actors may ask for.
func mappedUsers() uint16 {
	const all = 1 << 16
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return 1
	}
	var users int64
	for line := range strings.Lines(string(text)) { // in order of the ids
		var first, outside, n int64
		if _, err := fmt.Sscan(line, &first, &outside, &n); err == nil && first == users {
			users += n
		}
	}
	if users >= all {
		return 0
	}
	return uint16(users)
}
