package crashers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Command is what a user types to see a finding again.
func Command(program, state, id string) string {
	return Quote(program) + " repro --state " + Quote(state) + " " + id
}

// Program is what a user types to run this program: its name where the shell finds it by that, else as it was invoked.
func Program() string {
	name := filepath.Base(os.Args[0])
	found, err := exec.LookPath(name)
	if err != nil {
		return os.Args[0]
	}
	there, err := os.Stat(found)
	if err != nil {
		return os.Args[0]
	}
	if own, err := os.Stat(os.Args[0]); err == nil && !os.SameFile(own, there) {
		return os.Args[0]
	}
	return name
}

// Quote makes one word of s for a shell.
func Quote(s string) string {
	special := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:=@%+,", r)
	}
	if s != "" && strings.IndexFunc(s, special) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
