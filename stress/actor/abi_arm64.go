package actor

import (
	"debug/elf"
	"encoding/binary"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

// Missing says what actors lack on this machine; "" if they can run. Tickets are drawn by one instruction: a loop of LDXR and STXR
// never ends under PTRACE_SINGLESTEP, as every stop clears the monitor.
func Missing() string {
	if !cpu.ARM64.HasATOMICS {
		return "the processor has no LSE atomics (Armv8.1)"
	}
	return ""
}

const (
	elfMachine = elf.EM_AARCH64
	elfData    = elf.ELFDATA2LSB
	auditArch  = unix.AUDIT_ARCH_AARCH64

	sysPause     = unix.SYS_PPOLL // there is no pause: see pauseArgs
	stackFirst   = false          // the argument order of clone
	restorerWord = true           // of a kernel sigaction
	saRestorer   = 0

	// loWord is the offset of the low half of a 64-bit word: futexes and kernel ints are 32 bits wide.
	loWord = 0
	// userTop ends the addresses of a process; what lies above the shared memory can be unmapped up to here. Kernels of fewer than
	// 48 bits refuse that.
	userTop = 1 << 48

	// Words of user_pt_regs. There is no PEEKUSR, and SETREGSET of one word sets x0, which actors use.
	scratchRegisters = 0
	userResult       = 0 // x0
	userCall         = -1
	unusedRegister   = 0
	userRegs         = 0
	fpregsSize       = 528 // struct user_fpsimd_state
	longestSet       = fpregsSize
)

var byteOrder = binary.LittleEndian
