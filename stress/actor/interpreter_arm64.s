#include "go_asm.h"
#include "textflag.h"

// The interpreter as in interpreter_amd64.s, whose comments say what each part is for.
//
// R19 is the instruction, R20 the slot. R21 to R24 are the scratch registers of scenarios and never touched here; nor are R18 and
// R26 to R28, which belong to the platform, the assembler and Go. All others are free between instructions. RSP points into
// the slot's own stack, which only signal frames use.
//
// No exclusive pairs: a step between LDXR and STXR clears the monitor, so that a loop of them never ends. LDADD is one instruction, of
// Armv8.1 (missing in abi_arm64.go). What other actors read is stored with release and loaded with acquire, as on amd64 all is.

// OPERAND evaluates an operand into r; clobbers R9 and R10.
#define OPERAND(how, arg, r) \
	MOVBU	how(R19), R9; \
	MOVD	arg(R19), r; \
	AND	$3, R9, R10; \
	ADD	R10<<3, R20, R10; \
	MOVD	slot_base(R10), R10; \
	ADD	R10, r, r; \
	TST	$const_deref, R9; \
	BEQ	2(PC); \
	LDAR	(r), r; \
	TST	$const_negate, R9; \
	BEQ	2(PC); \
	NEG	r, r

// TICKET draws the next ticket of the run into R11; clobbers R9 and R10.
#define TICKET \
	AND	$-const_windowSize, R20, R9; \
	MOVD	$1, R10; \
	LDADDALD	R10, (R9), R11

// CYCLES reads the virtual counter into r: whatever the CPU, it counts at a constant rate, from the same start.
#define CYCLES(r) \
	MRS	CNTVCT_EL0, r

// ENTRY reserves the next log entry into R12; clobbers R9, R10, R11.
#define ENTRY \
	MOVD	$1, R10; \
	ADD	$slot_logn, R20, R9; \
	LDADDD	R10, (R9), R11; \
	ADD	$const_nearOffset, R20, R12; \
	CMP	$const_nearCap, R11; \
	BLO	7(PC); \
	MOVD	slot_more(R20), R12; \
	MOVD	$const_logCap, R9; \
	CMP	R9, R11; \
	BLO	3(PC); \
	ADD	$slot_sink, R20, R12; \
	MOVD	ZR, R11; \
	MOVD	$const_entrySize, R9; \
	MADD	R11, R12, R9, R12

// SLOT finds the slot from the stack pointer; clobbers R9 and R10.
#define SLOT \
	MOVD	RSP, R9; \
	MOVD	$(const_arenaBase+const_stacksAt), R10; \
	SUB	R10, R9, R9; \
	LSR	$const_farShift, R9, R9; \
	MOVD	$const_slotSize, R10; \
	MUL	R10, R9, R9; \
	MOVD	$(const_arenaBase+const_windowsAt), R10; \
	ADD	R10, R9, R20

// OUT loads output word n, narrowed, into r; clobbers R9.
#define OUT(out, shift, r) \
	MOVHU	out(R19), R9; \
	MOVD	(R20)(R9), r; \
	MOVBU	shift(R19), R9; \
	LSL	R9, r, r; \
	ASR	R9, r, r

// CLEAR zeroes an output word; clobbers R9.
#define CLEAR(out) \
	MOVHU	out(R19), R9; \
	MOVD	ZR, (R20)(R9)

TEXT interpreter<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	RSP, R9
	MOVD	8(R9), R9
	MOVBU	(R9), R13
	SUB	$'A', R13, R13
	MOVBU	1(R9), R10
	SUB	$'A', R10, R10
	ADD	R13<<4, R10, R13
	MOVD	$1000, R14
	// A call that a tracer skips returns its first argument here, so that must not be what success returns: with a hint that is
	// no page's address the kernel maps at the page's. Nothing else is there in a new image.
map:
	MOVD	$(const_arenaBase+8), R0
	MOVD	$const_arenaSize, R1
	MOVD	$7, R2           // PROT_READ|PROT_WRITE|PROT_EXEC
	MOVD	$1, R3           // MAP_SHARED
	MOVD	$const_ArenaFD, R4
	MOVD	ZR, R5
	MOVD	$222, R8         // mmap
	SVC
	MOVD	$const_arenaBase, R9
	CMP	R9, R0
	BEQ	mapped
	SUB	$1, R14, R14
	CBNZ	R14, map         // a tracer may have skipped the call
	MOVD	$101, R0
	MOVD	$94, R8          // exit_group
	SVC
mapped:
	LSL	$const_farShift, R13, R9
	MOVD	$(const_arenaBase+const_stacksAt+const_stackTop), R10
	ADD	R10, R9, R9
	MOVD	R9, RSP
	MOVD	$const_slotSize, R9
	MUL	R9, R13, R9
	MOVD	$(const_arenaBase+const_windowsAt), R10
	ADD	R10, R9, R20
	MOVD	slot_enter(R20), R9
	JMP	(R9)

	DWORD	$const_enterMark
	MOVD	slot_execs(R20), R9
	ADD	$1, R9, R9
	MOVD	R9, slot_execs(R20)
	MOVD	slot_pc(R20), R19
	MOVD	ZR, R0
	B	finish

next:
	ADD	$instr__size, R19, R19
dispatch:
	MOVBU	instr_op(R19), R9
	CMP	$const_opCall, R9
	BEQ	call
	CMP	$const_opBranch, R9
	BEQ	branch
	CMP	$const_opStore, R9
	BEQ	store
	CMP	$const_opStore32, R9
	BEQ	store32
	CMP	$const_opXadd, R9
	BEQ	xadd
	CMP	$const_opStamp, R9
	BEQ	stamp
	CMP	$const_opSpin, R9
	BEQ	spin
	CMP	$const_opSpinUntil, R9
	BEQ	spinuntil
	UNDEF

call:
	MOVD	R19, slot_pc(R20)
	MOVBU	instr_flags(R19), R13
	TST	$const_flagLog, R13
	BEQ	issue
	ENTRY
	MOVD	R12, slot_cur(R20)
	MOVWU	instr_index(R19), R9
	MOVW	R9, entry_instr(R12)
	TICKET
	MOVD	R11, entry_begin(R12)
issue:
	TST	$const_flagOut, R13
	BEQ	arguments
	TST	$const_flagKeep, R13
	BNE	arguments
	CLEAR(instr_out0)
	CLEAR(instr_out1)
	CLEAR(instr_out2)
arguments:
	OPERAND(instr_how0, instr_arg0, R0)
	OPERAND(instr_how1, instr_arg1, R1)
	OPERAND(instr_how2, instr_arg2, R2)
	TST	$const_flagMore, R13
	BEQ	enter
	OPERAND(instr_how3, instr_arg3, R3)
	OPERAND(instr_how4, instr_arg4, R4)
	OPERAND(instr_how5, instr_arg5, R5)
enter:
	MOVWU	instr_nr(R19), R8
	SVC
	MOVBU	instr_flags(R19), R13
	TST	$const_flagClone, R13
	BEQ	finish
	CBZ	R0, child
finish:
	MOVBU	instr_flags(R19), R13
	TST	$const_flagVars, R13
	BEQ	record
	AND	$-const_windowSize, R20, R14
	MOVWU	instr_dst(R19), R9
	ADD	R9, R14, R9
	STLR	R0, (R9)
	OUT(instr_out0, instr_shift0, R15)
	MOVWU	instr_dstOut(R19), R9
	ADD	R9, R14, R9
	STLR	R15, (R9)
record:
	TST	$const_flagLog, R13
	BEQ	next
	MOVD	slot_cur(R20), R12
	MOVD	R0, entry_ret(R12)
	TST	$const_flagOut, R13
	BEQ	ending
	OUT(instr_out0, instr_shift0, R15)
	MOVD	R15, entry_out0(R12)
	OUT(instr_out1, instr_shift1, R15)
	MOVD	R15, entry_out1(R12)
	OUT(instr_out2, instr_shift2, R15)
	MOVD	R15, entry_out2(R12)
ending:
	CYCLES(R9)
	MOVD	R9, entry_tsc(R12)
	TICKET
	MOVD	R11, entry_end(R12)
	B	next

child:
	MOVD	R20, R14
	SLOT
	CMP	R14, R20
	BEQ	finish
	MOVD	slot_pc(R20), R19
	B	dispatch

branch:
	OPERAND(instr_how0, instr_arg0, R0)
	MOVD	instr_arg1(R19), R1
	AND	R1, R0, R0
	MOVD	instr_arg2(R19), R1
	CMP	R1, R0
	BNE	next
	MOVD	instr_arg3(R19), R1
	ADD	R1, R19, R19
	B	dispatch

store:
	OPERAND(instr_how0, instr_arg0, R0)
	OPERAND(instr_how1, instr_arg1, R1)
	STLR	R1, (R0)
	B	next

store32:
	OPERAND(instr_how0, instr_arg0, R0)
	OPERAND(instr_how1, instr_arg1, R1)
	STLRW	R1, (R0)
	B	next

xadd:
	OPERAND(instr_how0, instr_arg0, R0)
	OPERAND(instr_how1, instr_arg1, R1)
	LDADDALD	R1, (R0), R2
	MOVD	R2, slot_tmp(R20)
	B	next

stamp:
	OPERAND(instr_how0, instr_arg0, R0)
	CYCLES(R1)
	STLR	R1, (R0)
	B	next

spin:
	OPERAND(instr_how0, instr_arg0, R0)
	CYCLES(R1)
spinning:
	CYCLES(R2)
	SUB	R1, R2, R2
	CMP	R0, R2
	BHS	next
	YIELD
	B	spinning

spinuntil:
	OPERAND(instr_how0, instr_arg0, R0)
	OPERAND(instr_how1, instr_arg1, R1)
	OPERAND(instr_how2, instr_arg2, R2)
	CYCLES(R3)
waiting:
	LDAR	(R0), R4
	CMP	R1, R4
	BHS	next
	CYCLES(R4)
	SUB	R3, R4, R4
	CMP	R2, R4
	BHS	next
	YIELD
	B	waiting

	// The signal handler: (R0 signal, R1 siginfo, R2 context); the frame lies at RSP, where rt_sigreturn looks for it.
	DWORD	$const_handlerMark
	SLOT
	ENTRY
	MOVD	$const_entryHandler, R9
	MOVW	R9, entry_kind(R12)
	MOVW	R0, R9
	MOVD	R9, entry_out0(R12)
	MOVW	8(R1), R9
	MOVD	R9, entry_out1(R12)
	MOVW	16(R1), R9
	MOVD	R9, entry_out2(R12)
	TICKET
	MOVD	R11, entry_begin(R12)
sigreturn:
	MOVD	$139, R8         // rt_sigreturn
	SVC
	B	sigreturn        // a tracer has skipped the call
	DWORD	$const_endMark

// func interpreterText() *byte
TEXT ·interpreterText(SB), NOSPLIT, $0-8
	MOVD	$interpreter<>(SB), R0
	MOVD	R0, ret+0(FP)
	RET

// func Cycles() uint64
TEXT ·Cycles(SB), NOSPLIT, $0-8
	MRS	CNTVCT_EL0, R0
	MOVD	R0, ret+0(FP)
	RET
