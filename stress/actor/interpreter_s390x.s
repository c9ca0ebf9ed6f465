#include "go_asm.h"
#include "textflag.h"

// The interpreter as in interpreter_amd64.s, whose comments say what each part is for.
//
// R8 is the instruction, R9 the slot. R10 to R13 (R13 is called g here) are the scratch registers of scenarios and not touched here:
// so no instruction may need R10 or R11, which the assembler takes where one is not enough (registers-exec-s390x.scn sees it). R0 to R7 and
// R14 are free between instructions; R0 is no base of an address. R15 points into the slot's own stack, which only signal frames use.
//
// Loads and stores are ordered as on amd64 (z/Architecture Principles of Operation, "Storage-Operand Consistency"), and LAAG is one
// instruction. The machine is big endian: the low half of a word is its second one.

// OPERAND evaluates an operand into r; clobbers R0 and R1.
#define OPERAND(how, arg, r) \
	MOVBZ	how(R8), R0; \
	MOVD	arg(R8), r; \
	MOVD	R0, R1; \
	ANDW	$3, R1; \
	SLD	$3, R1; \
	ADD	R9, R1; \
	MOVD	slot_base(R1), R1; \
	ADD	R1, r; \
	MOVD	R0, R1; \
	ANDW	$const_deref, R1; \
	BEQ	2(PC); \
	MOVD	(r), r; \
	ANDW	$const_negate, R0; \
	BEQ	2(PC); \
	NEG	r, r

// TICKET draws the next ticket of the run into R6; clobbers R0 and R1.
#define TICKET \
	MOVD	R9, R1; \
	AND	$-const_windowSize, R1; \
	MOVD	$1, R0; \
	LAAG	R0, R6, (R1)

// CYCLES reads the time of day into r: 4096 units are a microsecond. It comes by way of a word that handlers do not use.
#define CYCLES(r) \
	STCKF	slot_clock(R9); \
	MOVD	slot_clock(R9), r

// ENTRY reserves the next log entry into R5; clobbers R0 and R1.
#define ENTRY \
	MOVD	$1, R0; \
	LAAG	R0, R1, slot_logn(R9); \
	ADD	$const_nearOffset, R9, R5; \
	CMPU	R1, $const_nearCap; \
	BLT	6(PC); \
	MOVD	slot_more(R9), R5; \
	CMPU	R1, $const_logCap; \
	BLT	3(PC); \
	ADD	$slot_sink, R9, R5; \
	MOVD	$0, R1; \
	MULLD	$const_entrySize, R1; \
	ADD	R1, R5

// SLOT finds the slot from the stack pointer; clobbers R1.
#define SLOT \
	MOVD	R15, R9; \
	MOVD	$-(const_arenaBase+const_stacksAt), R1; \
	ADD	R1, R9; \
	SRD	$const_farShift, R9; \
	MULLD	$const_slotSize, R9; \
	ADD	$(const_arenaBase+const_windowsAt), R9

// OUT loads output word n, narrowed, into r; clobbers R1. What is narrower than the word is at its beginning.
#define OUT(out, shift, r) \
	MOVHZ	out(R8), R1; \
	MOVD	(R9)(R1*1), r; \
	MOVBZ	shift(R8), R1; \
	SRAD	R1, r

// CLEAR zeroes an output word; R0 is 0, clobbers R1.
#define CLEAR(out) \
	MOVHZ	out(R8), R1; \
	MOVD	R0, (R9)(R1*1)

TEXT interpreter<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	8(R15), R1
	MOVBZ	(R1), R6
	MOVBZ	1(R1), R0
	ADD	$-'A', R6
	ADD	$-'A', R0
	SLD	$4, R6
	ADD	R0, R6
	// The call takes its arguments from memory: old_mmap in arch/s390/kernel/syscall.c.
	MOVD	$const_arenaBase, R3
	MOVD	R3, -48(R15)
	MOVD	$const_arenaSize, R0
	MOVD	R0, -40(R15)
	MOVD	$7, R0           // PROT_READ|PROT_WRITE|PROT_EXEC
	MOVD	R0, -32(R15)
	MOVD	$0x11, R0        // MAP_SHARED|MAP_FIXED
	MOVD	R0, -24(R15)
	MOVD	$const_ArenaFD, R0
	MOVD	R0, -16(R15)
	MOVD	$0, R0
	MOVD	R0, -8(R15)
	MOVD	$1000, R7
map:
	ADD	$-48, R15, R2
	MOVD	$90, R1          // mmap
	SYSCALL
	CMPBEQ	R2, R3, mapped
	ADD	$-1, R7
	CMPBNE	R7, $0, map      // a tracer may have skipped the call
	MOVD	$101, R2
	MOVD	$248, R1         // exit_group
	SYSCALL
mapped:
	MOVD	R6, R0
	SRD	$4, R0
	CMPBNE	R0, $const_controlRegion, stack
	// Init: exec leaves registers as they were (start_thread), and what the Go process had in them must not leak into actors.
	MOVD	$0, R10
	MOVD	$0, R11
	MOVD	$0, R12
	MOVD	$0, g
stack:
	MOVD	R6, R0
	SLD	$const_farShift, R0
	MOVD	$(const_arenaBase+const_stacksAt+const_stackTop), R15
	ADD	R0, R15
	MOVD	R6, R9
	MULLD	$const_slotSize, R9
	ADD	$(const_arenaBase+const_windowsAt), R9
	MOVD	slot_enter(R9), R1
	BR	(R1)

	DWORD	$const_enterMark
	MOVD	slot_execs(R9), R0
	ADD	$1, R0
	MOVD	R0, slot_execs(R9)
	MOVD	slot_pc(R9), R8
	MOVD	$0, R2
	BR	finish

next:
	ADD	$instr__size, R8
dispatch:
	MOVBZ	instr_op(R8), R0
	CMPBEQ	R0, $const_opCall, call
	CMPBEQ	R0, $const_opBranch, branch
	CMPBEQ	R0, $const_opStore, store
	CMPBEQ	R0, $const_opStore32, store32
	CMPBEQ	R0, $const_opXadd, xadd
	CMPBEQ	R0, $const_opStamp, stamp
	CMPBEQ	R0, $const_opSpin, spin
	CMPBEQ	R0, $const_opSpinUntil, spinuntil
	UNDEF

call:
	MOVD	R8, slot_pc(R9)
	MOVBZ	instr_flags(R8), R0
	ANDW	$const_flagLog, R0
	BEQ	issue
	ENTRY
	MOVD	R5, slot_cur(R9)
	MOVWZ	instr_index(R8), R0
	MOVW	R0, entry_instr(R5)
	TICKET
	MOVD	R6, entry_begin(R5)
issue:
	MOVBZ	instr_flags(R8), R0
	ANDW	$const_flagOut, R0
	BEQ	arguments
	MOVBZ	instr_flags(R8), R0
	ANDW	$const_flagKeep, R0
	BNE	arguments
	MOVD	$0, R0
	CLEAR(instr_out0)
	CLEAR(instr_out1)
	CLEAR(instr_out2)
arguments:
	OPERAND(instr_how0, instr_arg0, R2)
	OPERAND(instr_how1, instr_arg1, R3)
	OPERAND(instr_how2, instr_arg2, R4)
	MOVBZ	instr_flags(R8), R0
	ANDW	$const_flagMore, R0
	BEQ	enter
	OPERAND(instr_how3, instr_arg3, R5)
	OPERAND(instr_how4, instr_arg4, R6)
	OPERAND(instr_how5, instr_arg5, R7)
enter:
	MOVWZ	instr_nr(R8), R1
	SYSCALL
	MOVBZ	instr_flags(R8), R0
	ANDW	$const_flagClone, R0
	BEQ	finish
	CMPBEQ	R2, $0, child
finish:
	MOVBZ	instr_flags(R8), R0
	ANDW	$const_flagVars, R0
	BEQ	record
	MOVD	R9, R4
	AND	$-const_windowSize, R4
	MOVWZ	instr_dst(R8), R1
	MOVD	R2, (R4)(R1*1)
	OUT(instr_out0, instr_shift0, R3)
	MOVWZ	instr_dstOut(R8), R1
	MOVD	R3, (R4)(R1*1)
record:
	MOVBZ	instr_flags(R8), R0
	ANDW	$const_flagLog, R0
	BEQ	next
	MOVD	slot_cur(R9), R5
	MOVD	R2, entry_ret(R5)
	MOVBZ	instr_flags(R8), R0
	ANDW	$const_flagOut, R0
	BEQ	ending
	OUT(instr_out0, instr_shift0, R3)
	MOVD	R3, entry_out0(R5)
	OUT(instr_out1, instr_shift1, R3)
	MOVD	R3, entry_out1(R5)
	OUT(instr_out2, instr_shift2, R3)
	MOVD	R3, entry_out2(R5)
ending:
	CYCLES(R3)
	MOVD	R3, entry_tsc(R5)
	TICKET
	MOVD	R6, entry_end(R5)
	BR	next

child:
	MOVD	R9, R4
	SLOT
	CMPBEQ	R4, R9, finish
	MOVD	slot_pc(R9), R8
	BR	dispatch

branch:
	OPERAND(instr_how0, instr_arg0, R2)
	MOVD	instr_arg1(R8), R3
	AND	R3, R2
	MOVD	instr_arg2(R8), R3
	CMPBNE	R2, R3, next
	MOVD	instr_arg3(R8), R3
	ADD	R3, R8
	BR	dispatch

store:
	OPERAND(instr_how0, instr_arg0, R2)
	OPERAND(instr_how1, instr_arg1, R3)
	MOVD	R3, (R2)
	BR	next

store32:
	OPERAND(instr_how0, instr_arg0, R2)
	OPERAND(instr_how1, instr_arg1, R3)
	MOVW	R3, (R2)
	BR	next

xadd:
	OPERAND(instr_how0, instr_arg0, R2)
	OPERAND(instr_how1, instr_arg1, R3)
	LAAG	R3, R4, (R2)
	MOVD	R4, slot_tmp(R9)
	BR	next

stamp:
	OPERAND(instr_how0, instr_arg0, R2)
	CYCLES(R3)
	MOVD	R3, (R2)
	BR	next

spin:
	OPERAND(instr_how0, instr_arg0, R2)
	CYCLES(R3)
spinning:
	CYCLES(R4)
	SUB	R3, R4
	CMPU	R4, R2
	BGE	next
	BR	spinning

spinuntil:
	OPERAND(instr_how0, instr_arg0, R2)
	OPERAND(instr_how1, instr_arg1, R3)
	OPERAND(instr_how2, instr_arg2, R4)
	CYCLES(R5)
waiting:
	MOVD	(R2), R6
	CMPU	R6, R3
	BGE	next
	CYCLES(R6)
	SUB	R5, R6
	CMPU	R6, R4
	BGE	next
	BR	waiting

	// The signal handler: (R2 signal, R3 siginfo, R4 context); the frame lies at R15, where rt_sigreturn looks for it.
	DWORD	$const_handlerMark
	SLOT
	ENTRY
	MOVD	$const_entryHandler, R0
	MOVW	R0, entry_kind(R5)
	MOVW	R2, R0
	MOVD	R0, entry_out0(R5)
	MOVW	8(R3), R0
	MOVD	R0, entry_out1(R5)
	MOVW	16(R3), R0
	MOVD	R0, entry_out2(R5)
	TICKET
	MOVD	R6, entry_begin(R5)
sigreturn:
	MOVD	$173, R1         // rt_sigreturn
	SYSCALL
	BR	sigreturn        // a tracer has skipped the call
	DWORD	$const_endMark

// func interpreterText() *byte
TEXT ·interpreterText(SB), NOSPLIT, $0-8
	MOVD	$interpreter<>(SB), R0
	MOVD	R0, ret+0(FP)
	RET

// func Cycles() uint64
TEXT ·Cycles(SB), NOSPLIT, $0-8
	STCKF	ret+0(FP)
	RET
