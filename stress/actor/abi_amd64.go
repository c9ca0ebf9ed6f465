package actor

import (
	"debug/elf"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
)

// Missing says what actors lack on this machine; "" if they can run.
func Missing() string { return "" }

const (
	elfMachine = elf.EM_X86_64
	elfData    = elf.ELFDATA2LSB
	auditArch  = unix.AUDIT_ARCH_X86_64

	sysPause     = unix.SYS_PAUSE
	stackFirst   = false              // the argument order of clone
	restorerWord = true               // of a kernel sigaction
	saRestorer   = engine.SA_RESTORER // the kernel refuses handlers without one

	// loWord is the offset of the low half of a 64-bit word: futexes and kernel ints are 32 bits wide.
	loWord = 0
	// userTop ends the addresses of a process; what lies above the shared memory can be unmapped up to here.
	userTop = 0x7ffffffff000

	// Indices in user_regs_struct. The scratch registers are r15, r14, r13, r12; a SETREGSET of one word sets the first alone.
	scratchRegisters = 4
	userResult       = 10 // rax
	userCall         = 15 // orig_rax
	unusedRegister   = 21 // fs_base
	userRegs         = 27
	fpregsSize       = 512
	longestSet       = 512 // so much of NT_X86_XSTATE is modelled
)

var byteOrder = binary.LittleEndian

// xstateSize is the size of NT_X86_XSTATE on this CPU: what CPUID says that the enabled features need.
func xstateSize() uint32
