package actor

import (
	"debug/elf"
	"encoding/binary"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

// Missing says what actors lack on this machine; "" if they can run. Tickets are drawn by one instruction: a loop of LDARX and STDCX
// never ends under PTRACE_SINGLESTEP, as every stop clears the reservation.
func Missing() string {
	if !cpu.PPC64.IsPOWER9 {
		return "the processor has no atomic operations in memory (ISA 3.0, POWER9)"
	}
	return ""
}

const (
	elfMachine = elf.EM_PPC64
	elfData    = elf.ELFDATA2LSB
	auditArch  = unix.AUDIT_ARCH_PPC64LE

	sysPause     = unix.SYS_PAUSE
	stackFirst   = false // the argument order of clone
	restorerWord = true  // of a kernel sigaction
	saRestorer   = 0

	// loWord is the offset of the low half of a 64-bit word: futexes and kernel ints are 32 bits wide.
	loWord = 0
	// userTop ends what a process gets without asking for more (DEFAULT_MAP_WINDOW); what lies above the shared memory can be unmapped
	// up to here.
	userTop = 1 << 47

	// Words of struct user, which begins with the general set. The scratch registers are r20 to r23 (spareWord).
	scratchRegisters = 4
	userResult       = 10 // of scenarios: r3 (wordAt)
	userCall         = 15 // r0
	unusedRegister   = 13 // r13, the thread's pointer
	userRegs         = 39 // up to CCR: what can be written
	fpregsSize       = 264
	longestSet       = 544 // NT_PPC_VMX
)

var byteOrder = binary.LittleEndian
