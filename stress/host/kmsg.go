package host

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tracehammer/vm/console"
)

// kernelLog follows the kernel's log and taint flags. Where they cannot be read it sees nothing.
type kernelLog struct {
	fd    int // /dev/kmsg, -1 if unreadable
	taint *os.File
	seen  uint64
	buf   [8192]byte
}

// openKernelLog starts at the end of the log.
func openKernelLog() *kernelLog {
	l := &kernelLog{fd: -1}
	if fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
		if _, err := unix.Seek(fd, 0, unix.SEEK_END); err == nil {
			l.fd = fd
		} else {
			unix.Close(fd)
		}
	}
	if f, err := os.Open("/proc/sys/kernel/tainted"); err == nil {
		l.taint = f
		l.seen = l.tainted()
	}
	return l
}

func (l *kernelLog) close() {
	if l.fd >= 0 {
		unix.Close(l.fd)
	}
	if l.taint != nil {
		l.taint.Close()
	}
}

// lines appends what the kernel itself has logged since the last call.
func (l *kernelLog) lines(dst []string) []string {
	for l.fd >= 0 {
		n, err := unix.Read(l.fd, l.buf[:])
		if err == unix.EPIPE || err == unix.EINTR { // EPIPE: records were overwritten before we read them
			continue
		}
		if err != nil {
			break
		}
		if line, ok := KernelLine(string(l.buf[:n])); ok {
			dst = append(dst, line)
		}
	}
	return dst
}

// KernelLine takes a record of /dev/kmsg, "priority,sequence,time,flags;text", apart; it says no to one that is nothing to
// report. Records of user space (a facility other than 0) are nobody's fault here, nor is known noise, such as the remark
// about the core limit of 1 that the harness sets itself (coreLimit).
func KernelLine(record string) (string, bool) {
	head, text, ok := strings.Cut(record, ";")
	prio, _, _ := strings.Cut(head, ",")
	n, err := strconv.Atoi(prio)
	text, _, _ = strings.Cut(text, "\n")
	return text, ok && err == nil && n>>3 == 0 && !console.IsNoise(text)
}

func (l *kernelLog) tainted() uint64 {
	var b [32]byte
	n, _ := l.taint.ReadAt(b[:], 0)
	v, _ := strconv.ParseUint(strings.TrimSpace(string(b[:n])), 10, 64)
	return v
}

// newTaint returns the taint bits that have appeared since the last call.
func (l *kernelLog) newTaint() uint64 {
	if l.taint == nil {
		return 0
	}
	now := l.tainted()
	fresh := now &^ l.seen
	l.seen = now
	return fresh
}
