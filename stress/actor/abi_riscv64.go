package actor

import (
	"debug/elf"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Missing says what actors lack on this machine; "" if they can run: Linux, as Go, wants the atomics (A) of every processor.
func Missing() string { return "" }

const (
	elfMachine = elf.EM_RISCV
	elfData    = elf.ELFDATA2LSB
	auditArch  = unix.AUDIT_ARCH_RISCV64

	sysPause     = unix.SYS_PPOLL // there is no pause: see pauseArgs
	stackFirst   = false          // the argument order of clone
	restorerWord = false          // of a kernel sigaction
	saRestorer   = 0

	// loWord is the offset of the low half of a 64-bit word: futexes and kernel ints are 32 bits wide.
	loWord = 0
	// userTop ends the addresses of a process, with the stack that it begins with (DEFAULT_MAP_WINDOW in arch/riscv); what lies
	// above the shared memory can be unmapped up to here. Processors with 39 bits refuse that.
	userTop = 1 << 47

	// Words of user_regs_struct. There is no PEEKUSR, and SETREGSET of one word sets the program counter.
	scratchRegisters = 0
	userResult       = 10 // a0
	userCall         = -1
	unusedRegister   = 0
	userRegs         = 0
	fpregsSize       = 33 * 8 // struct __riscv_d_ext_state
	longestSet       = 512
)

var byteOrder = binary.LittleEndian
