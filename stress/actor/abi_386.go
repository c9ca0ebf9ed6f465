package actor

import (
	"debug/elf"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
)

// Missing says what actors lack on this machine; "" if they can run. The engine's 386 is that of kernels of amd64: arch_ptrace of one of 32 bits
// has another struct user.
func Missing() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Sprintf("uname: %v", err)
	}
	if machine := unix.ByteSliceToString(u.Machine[:]); machine != "x86_64" {
		return "the kernel's machine is " + machine + ", and not x86_64"
	}
	return ""
}

const (
	elfMachine = elf.EM_386
	elfData    = elf.ELFDATA2LSB
	auditArch  = unix.AUDIT_ARCH_I386

	// wordSize is that of a long and of a pointer in what calls take and give.
	wordSize = 4
	// siFields is where a siginfo's part begins that depends on the signal.
	siFields = 12

	sysPause     = unix.SYS_PAUSE
	stackFirst   = false              // the argument order of clone
	restorerWord = true               // of a kernel sigaction
	saRestorer   = engine.SA_RESTORER // else handlers return by the vdso, which init unmaps

	// loWord is the offset of the low half of a 64-bit word: futexes and kernel ints are 32 bits wide.
	loWord = 0
	// userTop ends the addresses of a process; what lies above the shared memory can be unmapped up to here. It is IA32_PAGE_OFFSET of
	// kernels of 64 bits; one of 32 bits refuses that.
	userTop = 0xffffe000

	// Words of struct user, which begins with the general set. Calls take five registers, and the sixth, ebp, is the one that there is to
	// spare (spareWord). A selector of 0 in fs is what an actor has there.
	scratchRegisters = 1
	userResult       = 10 // of scenarios: eax (wordAt)
	userCall         = 15 // orig_eax
	unusedRegister   = 9  // fs
	userRegs         = 17
	fpregsSize       = 108
	longestSet       = 512 // NT_PRXFPREG; so much of NT_X86_XSTATE is modelled
)

var byteOrder = binary.LittleEndian

func init() { // those of these names take ids of 16 bits
	sysno[engine.CallSetresuid], sysno[engine.CallSetresgid] = unix.SYS_SETRESUID32, unix.SYS_SETRESGID32
}

// xstateSize is the size of NT_X86_XSTATE on this CPU: what CPUID says that the enabled features need.
func xstateSize() uint32
