package vm

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"tracehammer/stress"
)

// initrd returns a file in memory with an initial file system whose /init is a program, with more files besides.
func initrd(init []byte, more Files) (*os.File, error) {
	files := Files{
		"/init":        {Mode: 0o755, Data: init},
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

// programFor is the program of a machine: this one, or the same one built for another architecture, which lies beside it.
func programFor(goarch string) ([]byte, error) {
	if goarch == runtime.GOARCH {
		return ownProgram()
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the stressd of another architecture: %w", err)
	}
	return programBeside(filepath.Dir(self), goarch)
}

func programBeside(dir, goarch string) ([]byte, error) {
	name := "stressd-" + goarch
	file, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, &stress.EnvError{What: "a machine of " + goarch + " needs a stressd of that architecture", Err: err,
			Hint: fmt.Sprintf("make bin/%s, which is CGO_ENABLED=0 GOARCH=%s go build -o bin/%[1]s ./cmd/stressd", name, goarch)}
	}
	if err := fits(file, goarch); err != nil {
		return nil, &stress.EnvError{What: name + " beside this stressd cannot run in a machine of " + goarch, Err: err, Hint: "make bin/" + name}
	}
	return file, nil
}
