#include "go_asm.h"
#include "textflag.h"

// The interpreter: everything that an actor executes in user mode. It is copied, as bytes, into an image of its own
// (image.go), so it must not refer to anything outside itself; it has no Go runtime, no data and no stack of its own.
//
// BX is the instruction, BP the slot. R12 to R15 are the scratch registers of scenarios and never touched here; all others
// are free between instructions. SP points into the slot's own stack, which only signal frames use.

// OPERAND evaluates an operand into r; clobbers AX and CX.
#define OPERAND(how, arg, r) \
	MOVBLZX	how(BX), CX; \
	MOVQ	arg(BX), r; \
	MOVL	CX, AX; \
	ANDL	$3, AX; \
	ADDQ	slot_base(BP)(AX*8), r; \
	TESTB	$const_deref, CX; \
	JEQ	2(PC); \
	MOVQ	(r), r; \
	TESTB	$const_negate, CX; \
	JEQ	2(PC); \
	NEGQ	r

// TICKET draws the next ticket of the run into AX; clobbers CX.
#define TICKET \
	MOVQ	BP, CX; \
	ANDQ	$-const_windowSize, CX; \
	MOVL	$1, AX; \
	LOCK; \
	XADDQ	AX, (CX)

// CYCLES reads the cycle counter into AX; clobbers DX.
#define CYCLES \
	RDTSC; \
	SHLQ	$32, DX; \
	ORQ	DX, AX

// ENTRY reserves the next log entry into DX; clobbers AX. One instruction takes the index, so that a handler that
// interrupts the reservation takes another.
#define ENTRY \
	MOVL	$1, AX; \
	XADDQ	AX, slot_logn(BP); \
	LEAQ	const_nearOffset(BP), DX; \
	CMPQ	AX, $const_nearCap; \
	JCS	6(PC); \
	MOVQ	slot_more(BP), DX; \
	CMPQ	AX, $const_logCap; \
	JCS	3(PC); \
	LEAQ	slot_sink(BP), DX; \
	XORL	AX, AX; \
	IMULQ	$const_entrySize, AX; \
	ADDQ	AX, DX

// SLOT finds the slot from the stack pointer.
#define SLOT \
	LEAQ	-(const_arenaBase+const_stacksAt)(SP), BP; \
	SHRQ	$const_farShift, BP; \
	IMULQ	$const_slotSize, BP; \
	ADDQ	$(const_arenaBase+const_windowsAt), BP

// OUT loads output word n, narrowed, into r; clobbers CX.
#define OUT(out, shift, r) \
	MOVWLZX	out(BX), CX; \
	MOVQ	(BP)(CX*1), r; \
	MOVBLZX	shift(BX), CX; \
	SHLQ	CX, r; \
	SARQ	CX, r

// CLEAR zeroes an output word, so that a call that writes nothing leaves 0; AX is 0, clobbers CX.
#define CLEAR(out) \
	MOVWLZX	out(BX), CX; \
	MOVQ	AX, (BP)(CX*1)

TEXT interpreter<>(SB), NOSPLIT|NOFRAME, $0-0
	// A new image starts here. argv[0] names the slot; the memory is mapped with one call, and the instruction that slot.pc
	// names has just succeeded: it was the execve. Of init and of nobody else it is an empty one.
	JMP	start
start:
	MOVQ	SP, DX
	MOVQ	8(DX), DX
	MOVBLZX	(DX), BP
	SUBL	$'A', BP
	SHLL	$4, BP
	MOVBLZX	1(DX), AX
	LEAL	-'A'(BP)(AX*1), BP
	MOVL	$1000, BX
map:
	MOVL	$const_arenaBase, DI
	MOVL	$const_arenaSize, SI
	MOVL	$7, DX           // PROT_READ|PROT_WRITE|PROT_EXEC
	MOVL	$0x11, R10       // MAP_SHARED|MAP_FIXED
	MOVL	$const_ArenaFD, R8
	XORL	R9, R9
	MOVL	$9, AX           // mmap
	SYSCALL
	CMPQ	AX, DI
	JEQ	mapped
	DECL	BX
	JNE	map              // a tracer may have skipped the call
	MOVL	$101, DI
	MOVL	$231, AX         // exit_group
	SYSCALL
mapped:
	MOVQ	BP, SP
	SHLQ	$const_farShift, SP
	ADDQ	$(const_arenaBase+const_stacksAt+const_stackTop), SP
	IMULQ	$const_slotSize, BP
	ADDQ	$(const_arenaBase+const_windowsAt), BP
	MOVQ	slot_enter(BP), AX
	JMP	AX

	QUAD	$const_enterMark
	INCQ	slot_execs(BP)
	MOVQ	slot_pc(BP), BX
	XORL	AX, AX
	JMP	finish

next:
	ADDQ	$instr__size, BX
dispatch:
	MOVBLZX	instr_op(BX), AX
	CMPL	AX, $const_opCall
	JEQ	call
	CMPL	AX, $const_opBranch
	JEQ	branch
	CMPL	AX, $const_opStore
	JEQ	store
	CMPL	AX, $const_opStore32
	JEQ	store32
	CMPL	AX, $const_opXadd
	JEQ	xadd
	CMPL	AX, $const_opStamp
	JEQ	stamp
	CMPL	AX, $const_opSpin
	JEQ	spin
	CMPL	AX, $const_opSpinUntil
	JEQ	spinuntil
	HLT

call:
	MOVQ	BX, slot_pc(BP)
	TESTB	$const_flagLog, instr_flags(BX)
	JEQ	issue
	ENTRY
	MOVQ	DX, slot_cur(BP)
	MOVL	instr_index(BX), AX
	MOVL	AX, entry_instr(DX)
	TICKET
	MOVQ	AX, entry_begin(DX)
issue:
	TESTB	$const_flagOut, instr_flags(BX)
	JEQ	arguments
	TESTB	$const_flagKeep, instr_flags(BX)
	JNE	arguments
	XORL	AX, AX
	CLEAR(instr_out0)
	CLEAR(instr_out1)
	CLEAR(instr_out2)
arguments:
	OPERAND(instr_how0, instr_arg0, DI)
	OPERAND(instr_how1, instr_arg1, SI)
	OPERAND(instr_how2, instr_arg2, DX)
	TESTB	$const_flagMore, instr_flags(BX)
	JEQ	enter
	OPERAND(instr_how3, instr_arg3, R10)
	OPERAND(instr_how4, instr_arg4, R8)
	OPERAND(instr_how5, instr_arg5, R9)
enter:
	MOVL	instr_nr(BX), AX
	SYSCALL
	TESTB	$const_flagClone, instr_flags(BX)
	JEQ	finish
	TESTQ	AX, AX
	JEQ	child
finish:
	MOVQ	AX, SI
	TESTB	$const_flagVars, instr_flags(BX)
	JEQ	record
	MOVQ	BP, R8
	ANDQ	$-const_windowSize, R8
	MOVL	instr_dst(BX), CX
	MOVQ	SI, (R8)(CX*1)
	OUT(instr_out0, instr_shift0, R9)
	MOVL	instr_dstOut(BX), CX
	MOVQ	R9, (R8)(CX*1)
record:
	TESTB	$const_flagLog, instr_flags(BX)
	JEQ	next
	MOVQ	slot_cur(BP), DI
	MOVQ	SI, entry_ret(DI)
	TESTB	$const_flagOut, instr_flags(BX)
	JEQ	ending
	OUT(instr_out0, instr_shift0, R9)
	MOVQ	R9, entry_out0(DI)
	OUT(instr_out1, instr_shift1, R9)
	MOVQ	R9, entry_out1(DI)
	OUT(instr_out2, instr_shift2, R9)
	MOVQ	R9, entry_out2(DI)
ending:
	CYCLES
	MOVQ	AX, entry_tsc(DI)
	TICKET
	MOVQ	AX, entry_end(DI)
	JMP	next

	// A child runs on its own slot's stack. Who does not is no child: a filter or a tracer made the call return 0.
child:
	MOVQ	BP, SI
	SLOT
	CMPQ	BP, SI
	JEQ	finish
	MOVQ	slot_pc(BP), BX
	JMP	dispatch

branch:
	OPERAND(instr_how0, instr_arg0, DI)
	ANDQ	instr_arg1(BX), DI
	CMPQ	DI, instr_arg2(BX)
	JNE	next
	ADDQ	instr_arg3(BX), BX
	JMP	dispatch

store:
	OPERAND(instr_how0, instr_arg0, DI)
	OPERAND(instr_how1, instr_arg1, SI)
	MOVQ	SI, (DI)
	JMP	next

store32:
	OPERAND(instr_how0, instr_arg0, DI)
	OPERAND(instr_how1, instr_arg1, SI)
	MOVL	SI, (DI)
	JMP	next

xadd:
	OPERAND(instr_how0, instr_arg0, DI)
	OPERAND(instr_how1, instr_arg1, SI)
	LOCK
	XADDQ	SI, (DI)
	MOVQ	SI, slot_tmp(BP)
	JMP	next

stamp:
	OPERAND(instr_how0, instr_arg0, DI)
	CYCLES
	MOVQ	AX, (DI)
	JMP	next

spin:
	OPERAND(instr_how0, instr_arg0, DI)
	CYCLES
	MOVQ	AX, SI
spinning:
	CYCLES
	SUBQ	SI, AX
	CMPQ	AX, DI
	JCC	next
	PAUSE
	JMP	spinning

spinuntil:
	OPERAND(instr_how0, instr_arg0, DI)
	OPERAND(instr_how1, instr_arg1, R8)
	OPERAND(instr_how2, instr_arg2, R9)
	CYCLES
	MOVQ	AX, SI
waiting:
	CMPQ	(DI), R8
	JCC	next
	CYCLES
	SUBQ	SI, AX
	CMPQ	AX, R9
	JCC	next
	PAUSE
	JMP	waiting

	// The signal handler: (DI signal, SI siginfo, DX context). BP is found from SP, because a thread's first instants in
	// user mode still have its creator's.
	QUAD	$const_handlerMark
	SLOT
	ENTRY
	MOVL	$const_entryHandler, entry_kind(DX)
	MOVLQSX	DI, DI
	MOVQ	DI, entry_out0(DX)
	MOVLQSX	8(SI), AX
	MOVQ	AX, entry_out1(DX)
	MOVLQSX	16(SI), AX
	MOVQ	AX, entry_out2(DX)
	TICKET
	MOVQ	AX, entry_begin(DX)
	ADDQ	$8, SP           // the restorer's address
sigreturn:
	MOVL	$15, AX          // rt_sigreturn
	SYSCALL
	JMP	sigreturn        // a tracer has skipped the call
	QUAD	$const_endMark

// func interpreterText() *byte
TEXT ·interpreterText(SB), NOSPLIT, $0-8
	LEAQ	interpreter<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// func Cycles() uint64
TEXT ·Cycles(SB), NOSPLIT, $0-8
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, ret+0(FP)
	RET

// func xstateSize() uint32
TEXT ·xstateSize(SB), NOSPLIT, $0-4
	MOVL	$0xd, AX
	XORL	CX, CX
	CPUID
	MOVL	BX, ret+0(FP)
	RET
