#include "go_asm.h"
#include "textflag.h"

// The interpreter as in interpreter_amd64.s, whose comments say what each part is for.
//
// X8 is the instruction, X9 the slot. X3, X4, X27 and X31 belong to the platform, to Go and to the assembler; all others are
// free between instructions, as none is the scenarios' to spare (abi_riscv64.go). X2 points into the slot's own stack, which
// only signal frames use.
//
// What other actors read is stored behind a fence and fenced when it is loaded, so that it is as ordered as all is on amd64. AMOADD
// is one instruction, and the assembler makes it acquire and release.

// LOAD reads what another actor may have written.
#define LOAD(at, r) \
	MOV	at, r; \
	FENCE

// STORE writes what another actor may read.
#define STORE(r, at) \
	FENCE; \
	MOV	r, at

// OPERAND evaluates an operand into r; clobbers X5 and X6.
#define OPERAND(how, arg, r) \
	MOVBU	how(X8), X5; \
	MOV	arg(X8), r; \
	AND	$3, X5, X6; \
	SLL	$3, X6; \
	ADD	X9, X6; \
	MOV	slot_base(X6), X6; \
	ADD	X6, r; \
	AND	$const_deref, X5, X6; \
	BEQ	X6, ZERO, 3(PC); \
	MOV	(r), r; \
	FENCE; \
	AND	$const_negate, X5, X6; \
	BEQ	X6, ZERO, 2(PC); \
	NEG	r, r

// TICKET draws the next ticket of the run into X7; clobbers X5 and X6.
#define TICKET \
	MOV	$-const_windowSize, X5; \
	AND	X9, X5; \
	MOV	$1, X6; \
	AMOADDD	X6, (X5), X7

// CYCLES reads the time into r: whatever the CPU, it counts at a constant rate, from the same start. Kernels since 6.6 let nobody
// read the cycles themselves.
#define CYCLES(r) \
	RDTIME	r

// ENTRY reserves the next log entry into X28; clobbers X5, X6, X7.
#define ENTRY \
	MOV	$1, X6; \
	ADD	$slot_logn, X9, X5; \
	AMOADDD	X6, (X5), X7; \
	ADD	$const_nearOffset, X9, X28; \
	MOV	$const_nearCap, X5; \
	BLTU	X7, X5, 6(PC); \
	MOV	slot_more(X9), X28; \
	MOV	$const_logCap, X5; \
	BLTU	X7, X5, 3(PC); \
	ADD	$slot_sink, X9, X28; \
	MOV	ZERO, X7; \
	MOV	$const_entrySize, X5; \
	MUL	X5, X7; \
	ADD	X7, X28

// SLOT finds the slot from the stack pointer; clobbers X5.
#define SLOT \
	MOV	$(const_arenaBase+const_stacksAt), X5; \
	SUB	X5, X2, X9; \
	SRL	$const_farShift, X9; \
	MOV	$const_slotSize, X5; \
	MUL	X5, X9; \
	MOV	$(const_arenaBase+const_windowsAt), X5; \
	ADD	X5, X9

// OUT loads output word n, narrowed, into r; clobbers X5.
#define OUT(out, shift, r) \
	MOVHU	out(X8), X5; \
	ADD	X9, X5; \
	MOV	(X5), r; \
	MOVBU	shift(X8), X5; \
	SLL	X5, r; \
	SRA	X5, r

// CLEAR zeroes an output word; clobbers X5.
#define CLEAR(out) \
	MOVHU	out(X8), X5; \
	ADD	X9, X5; \
	MOV	ZERO, (X5)

TEXT interpreter<>(SB), NOSPLIT|NOFRAME, $0-0
	MOV	8(X2), X5
	MOVBU	(X5), X18
	SUB	$'A', X18
	SLL	$4, X18
	MOVBU	1(X5), X6
	SUB	$'A', X6
	ADD	X6, X18
	MOV	$1000, X19
	// Before 6.11 a call that a tracer skips returns its first argument, so that must not be what success returns: with a hint
	// that is no page's address the kernel maps at the page's. Nothing else is there in a new image.
map:
	MOV	$(const_arenaBase+8), X10
	MOV	$const_arenaSize, X11
	MOV	$7, X12          // PROT_READ|PROT_WRITE|PROT_EXEC
	MOV	$1, X13          // MAP_SHARED
	MOV	$const_ArenaFD, X14
	MOV	ZERO, X15
	MOV	$222, X17        // mmap
	ECALL
	MOV	$const_arenaBase, X5
	BEQ	X5, X10, mapped
	SUB	$1, X19
	BNE	X19, ZERO, map   // a tracer may have skipped the call
	MOV	$101, X10
	MOV	$94, X17         // exit_group
	ECALL
mapped:
	SLL	$const_farShift, X18, X5
	MOV	$(const_arenaBase+const_stacksAt+const_stackTop), X6
	ADD	X5, X6, X2
	MOV	$const_slotSize, X5
	MUL	X18, X5
	MOV	$(const_arenaBase+const_windowsAt), X6
	ADD	X5, X6, X9
	MOV	slot_enter(X9), X5
	JMP	(X5)

	WORD	$(const_enterMark & 0xffffffff)
	WORD	$(const_enterMark >> 32)
	MOV	slot_execs(X9), X5
	ADD	$1, X5
	MOV	X5, slot_execs(X9)
	MOV	slot_pc(X9), X8
	MOV	ZERO, X10
	JMP	finish

next:
	ADD	$instr__size, X8
dispatch:
	MOVBU	instr_op(X8), X5
	MOV	$const_opCall, X6
	BEQ	X5, X6, call
	MOV	$const_opBranch, X6
	BEQ	X5, X6, branch
	MOV	$const_opStore, X6
	BEQ	X5, X6, store
	MOV	$const_opStore32, X6
	BEQ	X5, X6, store32
	MOV	$const_opXadd, X6
	BEQ	X5, X6, xadd
	MOV	$const_opStamp, X6
	BEQ	X5, X6, stamp
	MOV	$const_opSpin, X6
	BEQ	X5, X6, spin
	MOV	$const_opSpinUntil, X6
	BEQ	X5, X6, spinuntil
	WORD	$0               // no instruction

call:
	MOV	X8, slot_pc(X9)
	MOVBU	instr_flags(X8), X29
	AND	$const_flagLog, X29, X5
	BEQ	X5, ZERO, issue
	ENTRY
	MOV	X28, slot_cur(X9)
	MOVWU	instr_index(X8), X5
	MOVW	X5, entry_instr(X28)
	TICKET
	MOV	X7, entry_begin(X28)
issue:
	AND	$const_flagOut, X29, X5
	BEQ	X5, ZERO, arguments
	AND	$const_flagKeep, X29, X5
	BNE	X5, ZERO, arguments
	CLEAR(instr_out0)
	CLEAR(instr_out1)
	CLEAR(instr_out2)
arguments:
	OPERAND(instr_how0, instr_arg0, X10)
	OPERAND(instr_how1, instr_arg1, X11)
	OPERAND(instr_how2, instr_arg2, X12)
	AND	$const_flagMore, X29, X5
	BEQ	X5, ZERO, enter
	OPERAND(instr_how3, instr_arg3, X13)
	OPERAND(instr_how4, instr_arg4, X14)
	OPERAND(instr_how5, instr_arg5, X15)
enter:
	MOVWU	instr_nr(X8), X17
	ECALL
	MOVBU	instr_flags(X8), X29
	AND	$const_flagClone, X29, X5
	BEQ	X5, ZERO, finish
	BEQ	X10, ZERO, child
finish:
	MOVBU	instr_flags(X8), X29
	AND	$const_flagVars, X29, X5
	BEQ	X5, ZERO, record
	MOV	$-const_windowSize, X18
	AND	X9, X18
	MOVWU	instr_dst(X8), X6
	ADD	X18, X6
	STORE(X10, (X6))
	OUT(instr_out0, instr_shift0, X19)
	MOVWU	instr_dstOut(X8), X6
	ADD	X18, X6
	STORE(X19, (X6))
record:
	AND	$const_flagLog, X29, X5
	BEQ	X5, ZERO, next
	MOV	slot_cur(X9), X28
	MOV	X10, entry_ret(X28)
	AND	$const_flagOut, X29, X5
	BEQ	X5, ZERO, ending
	OUT(instr_out0, instr_shift0, X19)
	MOV	X19, entry_out0(X28)
	OUT(instr_out1, instr_shift1, X19)
	MOV	X19, entry_out1(X28)
	OUT(instr_out2, instr_shift2, X19)
	MOV	X19, entry_out2(X28)
ending:
	CYCLES(X5)
	MOV	X5, entry_tsc(X28)
	TICKET
	MOV	X7, entry_end(X28)
	JMP	next

child:
	MOV	X9, X18
	SLOT
	BEQ	X18, X9, finish
	MOV	slot_pc(X9), X8
	JMP	dispatch

branch:
	OPERAND(instr_how0, instr_arg0, X10)
	MOV	instr_arg1(X8), X5
	AND	X5, X10
	MOV	instr_arg2(X8), X5
	BNE	X5, X10, next
	MOV	instr_arg3(X8), X5
	ADD	X5, X8
	JMP	dispatch

store:
	OPERAND(instr_how0, instr_arg0, X10)
	OPERAND(instr_how1, instr_arg1, X11)
	STORE(X11, (X10))
	JMP	next

store32:
	OPERAND(instr_how0, instr_arg0, X10)
	OPERAND(instr_how1, instr_arg1, X11)
	FENCE
	MOVW	X11, (X10)
	JMP	next

xadd:
	OPERAND(instr_how0, instr_arg0, X10)
	OPERAND(instr_how1, instr_arg1, X11)
	AMOADDD	X11, (X10), X12
	MOV	X12, slot_tmp(X9)
	JMP	next

stamp:
	OPERAND(instr_how0, instr_arg0, X10)
	CYCLES(X11)
	STORE(X11, (X10))
	JMP	next

spin:
	OPERAND(instr_how0, instr_arg0, X10)
	CYCLES(X11)
spinning:
	CYCLES(X12)
	SUB	X11, X12
	BGEU	X12, X10, next
	WORD	$0x0100000f      // pause: elsewhere a fence of nothing
	JMP	spinning

spinuntil:
	OPERAND(instr_how0, instr_arg0, X10)
	OPERAND(instr_how1, instr_arg1, X11)
	OPERAND(instr_how2, instr_arg2, X12)
	CYCLES(X13)
waiting:
	LOAD((X10), X14)
	BGEU	X14, X11, next
	CYCLES(X14)
	SUB	X13, X14
	BGEU	X14, X12, next
	WORD	$0x0100000f      // pause
	JMP	waiting

	// The signal handler: (X10 signal, X11 siginfo, X12 context); the frame lies at X2, where rt_sigreturn looks for it.
	WORD	$(const_handlerMark & 0xffffffff)
	WORD	$(const_handlerMark >> 32)
	SLOT
	ENTRY
	MOV	$const_entryHandler, X5
	MOVW	X5, entry_kind(X28)
	MOVW	X10, X5
	MOV	X5, entry_out0(X28)
	MOVW	8(X11), X5
	MOV	X5, entry_out1(X28)
	MOVW	16(X11), X5
	MOV	X5, entry_out2(X28)
	TICKET
	MOV	X7, entry_begin(X28)
sigreturn:
	MOV	$139, X17        // rt_sigreturn
	ECALL
	JMP	sigreturn        // a tracer has skipped the call
	WORD	$(const_endMark & 0xffffffff)
	WORD	$(const_endMark >> 32)

// func interpreterText() *byte
TEXT ·interpreterText(SB), NOSPLIT, $0-8
	MOV	$interpreter<>(SB), X10
	MOV	X10, ret+0(FP)
	RET

// func Cycles() uint64
TEXT ·Cycles(SB), NOSPLIT, $0-8
	RDTIME	X10
	MOV	X10, ret+0(FP)
	RET
