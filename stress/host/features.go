package host

import (
	"cmp"
	"errors"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
)

// A probe says whether the kernel has a feature, by asking it for it. It is conclusive, or says that it cannot tell.
type probe func(*tracee) (has, conclusive bool)

// probes are what Features tells.
var probes = map[string]probe{
	"ptrace-seize":                  probeSeize,
	"ptrace-get-syscall-info":       request(ptraceGetSyscallInfo),
	"ptrace-set-syscall-info":       request(ptraceSetSyscallInfo),
	"ptrace-getregset":              request(unix.PTRACE_GETREGSET),
	"ptrace-sysemu":                 request(ptraceSysemu),
	"ptrace-singleblock":            request(ptraceSingleblock),
	"ptrace-get-rseq-configuration": request(ptraceGetRseqConfiguration),
	"ptrace-o-suspend-seccomp":      probeSuspendSeccomp,
	"ptrace-getregs-fault":          probeRegisters,
	"ptrace-shadow-stack":           probeShadowStack,
	"clone-any-exit-signal":         probeExitSignal,
	"ptrace-step-branch":            probeStep,
	"seccomp-filter":                probeSeccomp,
	"yama":                          exists("/proc/sys/kernel/yama/ptrace_scope", "/proc/sys/kernel"),
	"pid-namespaces":                exists("/proc/self/ns/pid", "/proc/self/ns"),
	"user-namespaces":               exists("/proc/self/ns/user", "/proc/self/ns"),
	"kcov":                          exists("/sys/kernel/debug/kcov", "/sys/kernel/debug/."),
}

// Requests that package unix does not name on every architecture.
const (
	ptraceGetSyscallInfo       = 0x420e
	ptraceGetRseqConfiguration = 0x420f
	ptraceSetSyscallInfo       = 0x4212
)

// Requests that have other numbers on some architectures. 12 is not GETREGS on s390x.
var (
	ptraceSysemu      = cmp.Or(map[string]int{"ppc64le": 29}[runtime.GOARCH], 31)
	ptraceSingleblock = cmp.Or(map[string]int{"ppc64le": 0x100, "s390x": 12}[runtime.GOARCH], 33)
)

// Features are what this kernel has, by trying: of how it was configured, and of changes that were put into stable releases, its version
// says nothing. What a probe cannot tell is left out. The caller must not change it.
var Features = sync.OnceValue(func() map[string]bool {
	runtime.LockOSThread() // ptrace belongs to the thread that attached
	defer runtime.UnlockOSThread()
	var t tracee
	defer t.end()
	f := map[string]bool{}
	for name, probe := range probes {
		if has, conclusive := probe(&t); conclusive {
			f[name] = has
		}
	}
	return f
})

// lacks are the switches of engine.Profile that the probes' answers mean.
func lacks(features map[string]bool) (names []string) {
	for x := range engine.NumSwitches {
		if has, known := features[x.Info().Probe]; known && !has {
			names = append(names, x.String())
		}
	}
	return names
}

// exists asks for a file. Without the directory that holds it nobody can tell.
func exists(path, dir string) probe {
	return func(*tracee) (bool, bool) {
		_, err := os.Stat(path)
		if err == nil {
			return true, true
		}
		entries, derr := os.ReadDir(dir)
		return false, errors.Is(err, os.ErrNotExist) && derr == nil && len(entries) > 0
	}
}

// probeSeize asks for a thread of our own to be seized: EPERM says that the kernel knows the request, EIO that it does not.
func probeSeize(*tracee) (bool, bool) {
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(unix.Getpid()), 0, 0, 0, 0)
	return e == unix.EPERM, e == unix.EPERM || e == unix.EIO
}

// probeSeccomp asks for a filter at no address: EFAULT says that there are filters, EINVAL that there are none.
func probeSeccomp(*tracee) (bool, bool) {
	_, _, e := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, 0, 0, 0, 0)
	return e == unix.EFAULT, e == unix.EFAULT || e == unix.EINVAL
}

// probeExitSignal asks for a child with an exit signal that is no signal, and for its pidfd at no address: EINVAL says that the signal
// was looked at, EFAULT that it was not. There is no child either way, but on kernels that know no pidfd, whose clone would succeed.
func probeExitSignal(*tracee) (bool, bool) {
	const clonePidfd, noSignal, nowhere = 0x1000, 65, 8
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false, false
	}
	if r, err := engine.ParseRelease(unix.ByteSliceToString(u.Release[:])); err != nil || r.Before(engine.Release{Major: 5, Minor: 2}) {
		return false, false
	}
	flags, stack := uintptr(clonePidfd|noSignal), uintptr(0)
	if runtime.GOARCH == "s390x" {
		flags, stack = stack, flags
	}
	_, _, e := unix.RawSyscall6(unix.SYS_CLONE, flags, stack, nowhere, 0, 0, 0)
	return e == unix.EFAULT, e == unix.EFAULT || e == unix.EINVAL
}

// request makes a request of a stopped child: a kernel that does not know it says EIO.
func request(req int) probe {
	return func(t *tracee) (has, conclusive bool) {
		resumes := req == ptraceSysemu || req == ptraceSingleblock
		e := t.ask(func(pid int) unix.Errno {
			var buf [1024]byte
			iov := unix.Iovec{Base: &buf[0]}
			iov.SetLen(len(buf))
			addr, data := uintptr(len(buf)), uintptr(unsafe.Pointer(&buf[0]))
			switch {
			case req == unix.PTRACE_GETREGSET:
				addr, data = 1, uintptr(unsafe.Pointer(&iov)) // NT_PRSTATUS
			case resumes:
				data = uintptr(unix.SIGKILL) // it goes on, but not far
			}
			_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(req), uintptr(pid), addr, data, 0, 0)
			runtime.KeepAlive(&buf)
			return e
		})
		if resumes && e == 0 {
			t.end()
		}
		return e != unix.EIO, e != unix.ESRCH
	}
}

// probeSuspendSeccomp asks for the option: EPERM says that the kernel knows it, EINVAL that it does not.
func probeSuspendSeccomp(t *tracee) (bool, bool) {
	const suspendSeccomp = 1 << 21
	e := t.ask(func(pid int) unix.Errno {
		_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SETOPTIONS, uintptr(pid), 0, suspendSeccomp, 0, 0)
		return e
	})
	return e == 0 || e == unix.EPERM, e == 0 || e == unix.EPERM || e == unix.EINVAL
}

// probeRegisters has registers written to a bad address. An architecture without the request cannot be asked.
func probeRegisters(t *tracee) (bool, bool) {
	if runtime.GOARCH != "amd64" {
		return false, false
	}
	const getregs = 12
	e := t.ask(func(pid int) unix.Errno {
		_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, getregs, uintptr(pid), 0, 1, 0, 0)
		return e
	})
	return e == unix.EFAULT, e == unix.EFAULT || e == 0
}

// probeShadowStack asks for the registers of a shadow stack, which the tracee has not got: ENODEV says that the kernel knows them, EINVAL
// that it does not.
func probeShadowStack(t *tracee) (bool, bool) {
	if runtime.GOARCH != "amd64" {
		return false, false
	}
	const ntX86Shstk = 0x204
	e := t.ask(func(pid int) unix.Errno {
		var ssp uint64
		iov := unix.Iovec{Base: (*byte)(unsafe.Pointer(&ssp))}
		iov.SetLen(int(unsafe.Sizeof(ssp)))
		_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GETREGSET, uintptr(pid), ntX86Shstk, uintptr(unsafe.Pointer(&iov)), 0, 0)
		runtime.KeepAlive(&ssp)
		return e
	})
	return e == 0 || e == unix.ENODEV, e == 0 || e == unix.ENODEV || e == unix.EINVAL
}

// probeStep steps over the first branch of a Go program, which it takes: on s390x QEMU 7.2 goes on behind it. Other architectures are
// not asked.
func probeStep(t *tracee) (has, conclusive bool) {
	const (
		pswAddr = 8      // in struct user
		brcl15  = 0xc0f4 // BRCL, always; the distance follows, in halfwords
	)
	if runtime.GOARCH != "s390x" {
		return false, false
	}
	defer t.end() // it has gone on
	t.ask(func(pid int) unix.Errno {
		peek := func(request int, addr uint64) (v uint64, e unix.Errno) {
			_, _, e = unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(pid), uintptr(addr), uintptr(unsafe.Pointer(&v)), 0, 0)
			return v, e
		}
		for range 8 {
			from, e1 := peek(unix.PTRACE_PEEKUSR, pswAddr)
			text, e2 := peek(unix.PTRACE_PEEKTEXT, from)
			_, _, e3 := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SINGLESTEP, uintptr(pid), 0, 0, 0, 0)
			var ws unix.WaitStatus
			_, err := unix.Wait4(pid, &ws, tolerant, nil)
			to, e4 := peek(unix.PTRACE_PEEKUSR, pswAddr)
			if e1|e2|e3|e4 != 0 || err != nil {
				break
			}
			if text>>48 == brcl15 {
				has, conclusive = to == from+uint64(int64(int32(text>>16))*2), true
				break
			}
		}
		return 0
	})
	return has, conclusive
}

// tracee is the stopped child that probes ask about: one for all of them, as each costs an exec of this program. It belongs to the thread
// that asks.
type tracee struct {
	p *os.Process // nil if there is none
}

// tolerant are the flags of waits for a tracee's stop, which needs none of them: a kernel that wants one is to be found by scenarios, and not to keep
// them from beginning.
const tolerant = unix.WALL | unix.WUNTRACED

// ask does something with the tracee; ESRCH if there is none.
func (t *tracee) ask(f func(pid int) unix.Errno) unix.Errno {
	if t.p == nil {
		p, err := os.StartProcess("/proc/self/exe", []string{"probe"}, &os.ProcAttr{Sys: &unix.SysProcAttr{Ptrace: true, Pdeathsig: unix.SIGKILL}})
		if err != nil {
			return unix.ESRCH
		}
		t.p = p
		var ws unix.WaitStatus
		if _, err := unix.Wait4(p.Pid, &ws, tolerant, nil); err != nil || !ws.Stopped() {
			t.end()
			return unix.ESRCH
		}
	}
	return f(t.p.Pid)
}

// end ends the tracee, if there is one. The next to ask gets another one.
func (t *tracee) end() {
	if t.p == nil {
		return
	}
	t.p.Kill()                               //nolint:errcheck // it may be gone
	unix.Wait4(t.p.Pid, nil, unix.WALL, nil) //nolint:errcheck // likewise
	t.p.Release()                            //nolint:errcheck // waited for above
	t.p = nil
}
