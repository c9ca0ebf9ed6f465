package vm

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
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

// programFor is the program of a machine: the same one as this, built for it, which lies beside it. A machine of this architecture may have
// this one itself, and has it where the one beside is of another commit; but what it does not need there is most of it, and takes time at each start.
func programFor(goarch string) ([]byte, error) {
	self, err := os.Executable()
	if goarch == runtime.GOARCH {
		if err == nil {
			program, err := programBeside(filepath.Dir(self), goarch)
			if own, ok := debug.ReadBuildInfo(); err == nil && ok && revisionOf(own) == revisionIn(program) {
				return program, nil
			}
		}
		return ownProgram()
	}
	if err != nil {
		return nil, fmt.Errorf("find the stressd of another architecture: %w", err)
	}
	return programBeside(filepath.Dir(self), goarch)
}

// revisionIn is the commit that a program was built of, "" where nobody noted it.
func revisionIn(program []byte) string {
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return ""
	}
	return revisionOf(info)
}

func revisionOf(info *debug.BuildInfo) string {
	i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "vcs.revision" })
	if i < 0 {
		return ""
	}
	return info.Settings[i].Value
}

func programBeside(dir, goarch string) ([]byte, error) {
	name := "stressd-" + goarch
	file, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, &stress.EnvError{What: "a machine of " + goarch + " needs a stressd of that architecture", Err: err,
			Hint: fmt.Sprintf("make bin/%s, which is CGO_ENABLED=0 GOARCH=%s go build -tags agent -o bin/%[1]s ./cmd/stressd", name, goarch)}
	}
	if err := fits(file, goarch); err != nil {
		return nil, &stress.EnvError{What: name + " beside this stressd cannot run in a machine of " + goarch, Err: err, Hint: "make bin/" + name}
	}
	return file, nil
}
