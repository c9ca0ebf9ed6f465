package host

import (
	"runtime"

	"golang.org/x/sys/unix"

	"tracehammer/stress"
)

// supported says whether actors exist for this architecture.
func supported() error {
	if runtime.GOARCH != "amd64" {
		return &stress.EnvError{What: "no actors for " + runtime.GOARCH, Hint: "run on amd64"}
	}
	return nil
}

// kernelName is uname -sr.
func kernelName() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}
