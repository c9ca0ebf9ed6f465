package vm

import (
	"fmt"
	"maps"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"tracehammer/stress"
)

// initrd returns a file in memory with an initial file system whose /init is this program, with more files besides.
func initrd(more Files) (*os.File, error) {
	self, err := ownProgram()
	if err != nil {
		return nil, err
	}
	files := Files{
		"/init":        {Mode: 0o755, Data: self},
		"/dev/console": {Mode: 0o600 | os.ModeDevice | os.ModeCharDevice, Dev: [2]uint32{5, 1}},
	}
	maps.Copy(files, more)
	fd, err := unix.MemfdCreate("tracehammer-initrd", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an initial file system: memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "initrd")
	if err := WriteCpio(f, files); err != nil {
		f.Close() //nolint:errcheck // the first error counts
		return nil, fmt.Errorf("make an initial file system: %w", err)
	}
	return f, nil
}

// ownProgram is the file of this program: a machine may have to be started when the file has been replaced.
var ownProgram = sync.OnceValues(func() ([]byte, error) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("make an initial file system: %w", err)
	}
	if dynamic(self) {
		return nil, &stress.EnvError{What: "this stressd is linked dynamically, and a machine has no libraries", Hint: "build it with CGO_ENABLED=0, as make does"}
	}
	return self, nil
})
