package actor

import (
	"debug/elf"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Missing says what actors lack on this machine; "" if they can run. Go itself needs a z13, and tickets what a z196 has (LAAG).
func Missing() string { return "" }

const (
	elfMachine = elf.EM_S390
	elfData    = elf.ELFDATA2MSB
	auditArch  = unix.AUDIT_ARCH_S390X

	sysPause     = unix.SYS_PAUSE
	stackFirst   = true // the argument order of clone
	restorerWord = true // of a kernel sigaction
	saRestorer   = 0

	// loWord is the offset of the low half of a 64-bit word: futexes and kernel ints are 32 bits wide.
	loWord = 4
	// userTop ends the addresses of a process that can be unmapped: none here, because the kernel restarts what restart_syscall(2)
	// is for by an instruction of the vdso (arch_do_signal_or_restart).
	userTop = arenaBase + arenaSize

	// Words of struct user. The scratch registers are gprs 10 to 13 (spareWord); the general set begins with the psw.
	scratchRegisters = 4
	userResult       = 4 // gprs[2]: the result, and while a call is entered its number
	userCall         = 4
	unusedRegister   = 19 // access registers 2 and 3
	userRegs         = 66 // behind the registers are those of the PER facility, and what is ignored
	fpregsSize       = 136
	longestSet       = 512 // no set that is modelled: room for four siginfos
)

var byteOrder = binary.BigEndian
