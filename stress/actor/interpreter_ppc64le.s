#include "go_asm.h"
#include "textflag.h"

// The interpreter as in interpreter_amd64.s, whose comments say what each part is for.
//
// R14 is the instruction, R15 the slot, R16 the flags of a call, R17 and R18 what must outlast one. R20 to R23 are the scratch
// registers of scenarios and never touched here. R3 to R12 are free between instructions, and the kernel keeps none of R4 to R12 over a
// call. R0 is 0 but for the instant of a call: Go's assembler relies on it. R1 points into the slot's own stack, which only signal
// frames use.
//
// No reservations: the way back from any interrupt clears them, so that a loop of LDARX and STDCX never ends when it is stepped, and
// the kernel steps over no such loop. LDAT of ISA 3.0 fetches and adds in one instruction (missing in abi_ppc64le.go); Go's assembler does
// not know it. What other actors read is stored behind LWSYNC, what they wrote is loaded before one.

// FETCHADD is ldat R10,R9,0: R10 becomes the word at R9, to which R11 is added.
#define FETCHADD \
	WORD	$0x7d4904cc

// OPERAND evaluates an operand into r; clobbers R9 and R10.
#define OPERAND(how, arg, r) \
	MOVBZ	how(R14), R9; \
	MOVD	arg(R14), r; \
	ANDCC	$3, R9, R10; \
	SLD	$3, R10, R10; \
	ADD	R15, R10, R10; \
	MOVD	slot_base(R10), R10; \
	ADD	R10, r, r; \
	ANDCC	$const_deref, R9, R10; \
	BEQ	3(PC); \
	MOVD	(r), r; \
	LWSYNC; \
	ANDCC	$const_negate, R9, R10; \
	BEQ	2(PC); \
	NEG	r, r

// TICKET draws the next ticket of the run into R10; clobbers R9 and R11.
#define TICKET \
	MOVD	$-const_windowSize, R9; \
	AND	R15, R9, R9; \
	MOVD	$1, R11; \
	SYNC; \
	FETCHADD; \
	SYNC

// CYCLES reads the time base into r: all CPUs have the same.
#define CYCLES(r) \
	MOVD	SPR(268), r

// ENTRY reserves the next log entry into R12; clobbers R9, R10, R11.
#define ENTRY \
	ADD	$slot_logn, R15, R9; \
	MOVD	$1, R11; \
	FETCHADD; \
	ADD	$const_nearOffset, R15, R12; \
	CMPU	R10, $const_nearCap; \
	BLT	7(PC); \
	MOVD	slot_more(R15), R12; \
	MOVD	$const_logCap, R9; \
	CMPU	R10, R9; \
	BLT	3(PC); \
	ADD	$slot_sink, R15, R12; \
	MOVD	$0, R10; \
	MULLD	$const_entrySize, R10, R10; \
	ADD	R10, R12, R12

// SLOT finds the slot from the stack pointer; clobbers R9 and R10.
#define SLOT \
	MOVD	$(const_arenaBase+const_stacksAt), R10; \
	SUB	R10, R1, R9; \
	SRD	$const_farShift, R9, R9; \
	MULLD	$const_slotSize, R9, R9; \
	MOVD	$(const_arenaBase+const_windowsAt), R10; \
	ADD	R10, R9, R15

// OUT loads output word n, narrowed, into r; clobbers R9.
#define OUT(out, shift, r) \
	MOVHZ	out(R14), R9; \
	MOVD	(R15)(R9), r; \
	MOVBZ	shift(R14), R9; \
	SLD	R9, r, r; \
	SRAD	R9, r, r

// CLEAR zeroes an output word; clobbers R9.
#define CLEAR(out) \
	MOVHZ	out(R14), R9; \
	MOVD	R0, (R15)(R9)

// CALL makes the system call of number R9. What an error is, is in a bit of CR0: in R3 it is positive.
#define CALL \
	SYSCALL	R9; \
	BVC	2(PC); \
	NEG	R3, R3

TEXT interpreter<>(SB), NOSPLIT|NOFRAME, $0-0
	XOR	R0, R0
	MOVD	8(R1), R9
	MOVBZ	(R9), R17
	ADD	$-'A', R17, R17
	MOVBZ	1(R9), R10
	ADD	$-'A', R10, R10
	SLD	$4, R17, R17
	ADD	R10, R17, R17
	MOVD	$1000, R18
	// A call that a tracer skips returns its first argument here, as on arm64.
map:
	MOVD	$(const_arenaBase+8), R3
	MOVD	$const_arenaSize, R4
	MOVD	$7, R5           // PROT_READ|PROT_WRITE|PROT_EXEC
	MOVD	$1, R6           // MAP_SHARED
	MOVD	$const_ArenaFD, R7
	MOVD	$0, R8
	MOVD	$90, R9          // mmap
	CALL
	MOVD	$const_arenaBase, R9
	CMP	R3, R9
	BEQ	mapped
	ADD	$-1, R18, R18
	CMP	R18, $0
	BNE	map              // a tracer may have skipped the call
	MOVD	$101, R3
	MOVD	$234, R9         // exit_group
	CALL
mapped:
	SLD	$const_farShift, R17, R9
	MOVD	$(const_arenaBase+const_stacksAt+const_stackTop), R10
	ADD	R10, R9, R9
	MOVD	R9, R1
	SLOT
	MOVD	slot_enter(R15), R9
	MOVD	R9, CTR
	BR	(CTR)

	DWORD	$const_enterMark
	MOVD	slot_execs(R15), R9
	ADD	$1, R9, R9
	MOVD	R9, slot_execs(R15)
	MOVD	slot_pc(R15), R14
	MOVD	$0, R3
	BR	finish

next:
	ADD	$instr__size, R14, R14
dispatch:
	MOVBZ	instr_op(R14), R9
	CMP	R9, $const_opCall
	BEQ	call
	CMP	R9, $const_opBranch
	BEQ	branch
	CMP	R9, $const_opStore
	BEQ	store
	CMP	R9, $const_opStore32
	BEQ	store32
	CMP	R9, $const_opXadd
	BEQ	xadd
	CMP	R9, $const_opStamp
	BEQ	stamp
	CMP	R9, $const_opSpin
	BEQ	spin
	CMP	R9, $const_opSpinUntil
	BEQ	spinuntil
	UNDEF

call:
	MOVD	R14, slot_pc(R15)
	MOVBZ	instr_flags(R14), R16
	ANDCC	$const_flagLog, R16, R9
	BEQ	issue
	ENTRY
	MOVD	R12, slot_cur(R15)
	MOVWZ	instr_index(R14), R9
	MOVW	R9, entry_instr(R12)
	TICKET
	MOVD	R10, entry_begin(R12)
issue:
	ANDCC	$const_flagOut, R16, R9
	BEQ	arguments
	ANDCC	$const_flagKeep, R16, R9
	BNE	arguments
	CLEAR(instr_out0)
	CLEAR(instr_out1)
	CLEAR(instr_out2)
arguments:
	OPERAND(instr_how0, instr_arg0, R3)
	OPERAND(instr_how1, instr_arg1, R4)
	OPERAND(instr_how2, instr_arg2, R5)
	ANDCC	$const_flagMore, R16, R9
	BEQ	enter
	OPERAND(instr_how3, instr_arg3, R6)
	OPERAND(instr_how4, instr_arg4, R7)
	OPERAND(instr_how5, instr_arg5, R8)
enter:
	MOVWZ	instr_nr(R14), R9
	CALL
	MOVBZ	instr_flags(R14), R16
	ANDCC	$const_flagClone, R16, R9
	BEQ	finish
	CMP	R3, $0
	BEQ	child
finish:
	MOVBZ	instr_flags(R14), R16
	ANDCC	$const_flagVars, R16, R9
	BEQ	record
	MOVD	$-const_windowSize, R5
	AND	R15, R5, R5
	OUT(instr_out0, instr_shift0, R4)
	LWSYNC
	MOVWZ	instr_dst(R14), R9
	MOVD	R3, (R5)(R9)
	MOVWZ	instr_dstOut(R14), R9
	MOVD	R4, (R5)(R9)
record:
	ANDCC	$const_flagLog, R16, R9
	BEQ	next
	MOVD	slot_cur(R15), R12
	MOVD	R3, entry_ret(R12)
	ANDCC	$const_flagOut, R16, R9
	BEQ	ending
	OUT(instr_out0, instr_shift0, R4)
	MOVD	R4, entry_out0(R12)
	OUT(instr_out1, instr_shift1, R4)
	MOVD	R4, entry_out1(R12)
	OUT(instr_out2, instr_shift2, R4)
	MOVD	R4, entry_out2(R12)
ending:
	CYCLES(R9)
	MOVD	R9, entry_tsc(R12)
	TICKET
	MOVD	R10, entry_end(R12)
	BR	next

child:
	MOVD	R15, R4
	SLOT
	CMP	R15, R4
	BEQ	finish
	MOVD	slot_pc(R15), R14
	BR	dispatch

branch:
	OPERAND(instr_how0, instr_arg0, R3)
	MOVD	instr_arg1(R14), R4
	AND	R4, R3, R3
	MOVD	instr_arg2(R14), R4
	CMP	R3, R4
	BNE	next
	MOVD	instr_arg3(R14), R4
	ADD	R4, R14, R14
	BR	dispatch

store:
	OPERAND(instr_how0, instr_arg0, R3)
	OPERAND(instr_how1, instr_arg1, R4)
	LWSYNC
	MOVD	R4, (R3)
	BR	next

store32:
	OPERAND(instr_how0, instr_arg0, R3)
	OPERAND(instr_how1, instr_arg1, R4)
	LWSYNC
	MOVW	R4, (R3)
	BR	next

xadd:
	OPERAND(instr_how0, instr_arg0, R3)
	OPERAND(instr_how1, instr_arg1, R11)
	MOVD	R3, R9
	SYNC
	FETCHADD
	SYNC
	MOVD	R10, slot_tmp(R15)
	BR	next

stamp:
	OPERAND(instr_how0, instr_arg0, R3)
	CYCLES(R4)
	LWSYNC
	MOVD	R4, (R3)
	BR	next

	// The spins do not yield (or 27,27,27): they are short, and emulators leave the guest's CPU for it.
spin:
	OPERAND(instr_how0, instr_arg0, R3)
	CYCLES(R4)
spinning:
	CYCLES(R5)
	SUB	R4, R5, R5
	CMPU	R5, R3
	BGE	next
	BR	spinning

spinuntil:
	OPERAND(instr_how0, instr_arg0, R3)
	OPERAND(instr_how1, instr_arg1, R4)
	OPERAND(instr_how2, instr_arg2, R5)
	CYCLES(R6)
waiting:
	MOVD	(R3), R7
	LWSYNC
	CMPU	R7, R4
	BGE	next
	CYCLES(R7)
	SUB	R6, R7, R7
	CMPU	R7, R5
	BGE	next
	BR	waiting

	// The signal handler: (R3 signal, R4 siginfo, R5 context). The frame, where rt_sigreturn looks for it, begins with the context, behind
	// an area for who would call (__SIGNAL_FRAMESIZE). Where the vdso is gone, the kernel comes here by code in the frame.
	DWORD	$const_handlerMark
	XOR	R0, R0
	SLOT
	ENTRY
	MOVD	$const_entryHandler, R9
	MOVW	R9, entry_kind(R12)
	MOVW	R3, R9
	MOVD	R9, entry_out0(R12)
	MOVW	8(R4), R9
	MOVD	R9, entry_out1(R12)
	MOVW	16(R4), R9
	MOVD	R9, entry_out2(R12)
	TICKET
	MOVD	R10, entry_begin(R12)
	MOVD	R5, R1
sigreturn:
	MOVD	$172, R9         // rt_sigreturn
	CALL
	BR	sigreturn        // a tracer has skipped the call
	DWORD	$const_endMark

// func interpreterText() *byte
TEXT ·interpreterText(SB), NOSPLIT, $0-8
	MOVD	$interpreter<>(SB), R3
	MOVD	R3, ret+0(FP)
	RET

// func Cycles() uint64
TEXT ·Cycles(SB), NOSPLIT, $0-8
	MOVD	SPR(268), R3
	MOVD	R3, ret+0(FP)
	RET
