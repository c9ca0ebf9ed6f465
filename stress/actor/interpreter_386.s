#include "go_asm.h"
#include "textflag.h"

// The interpreter as in interpreter_amd64.s, whose comments say what each part is for.
//
// BX is the instruction, SI the slot; a call needs both for its arguments, so they are found again behind it: the slot from the stack
// pointer, the instruction in the slot. BP is the scratch register of scenarios and never touched here: no call has six arguments. All
// others are free between instructions. SP points into the slot's own stack, which signal frames use, and what is pushed here.
//
// Words are 64 bits wide, as everywhere. What counts in them (tickets, places in logs) stays below 2^32, so that one instruction on
// the low half draws it; variables are added to by CMPXCHG8B.

// OPERAND evaluates the low half of an operand into r; clobbers AX and CX.
#define OPERAND(how, arg, r) \
	MOVBLZX	how(BX), CX; \
	MOVL	arg(BX), r; \
	MOVL	CX, AX; \
	ANDL	$3, AX; \
	ADDL	slot_base(SI)(AX*8), r; \
	TESTB	$const_deref, CX; \
	JEQ	2(PC); \
	MOVL	(r), r; \
	TESTB	$const_negate, CX; \
	JEQ	2(PC); \
	NEGL	r

// OPERAND64 evaluates an operand into lo and hi; clobbers AX and CX.
#define OPERAND64(how, arg, lo, hi) \
	MOVBLZX	how(BX), CX; \
	MOVL	arg(BX), lo; \
	MOVL	(arg+4)(BX), hi; \
	MOVL	CX, AX; \
	ANDL	$3, AX; \
	ADDL	slot_base(SI)(AX*8), lo; \
	ADCL	$0, hi; \
	TESTB	$const_deref, CX; \
	JEQ	3(PC); \
	MOVL	4(lo), hi; \
	MOVL	(lo), lo; \
	TESTB	$const_negate, CX; \
	JEQ	4(PC); \
	NEGL	lo; \
	ADCL	$0, hi; \
	NEGL	hi

// TICKET draws the next ticket of the run into AX; clobbers CX.
#define TICKET \
	MOVL	SI, CX; \
	ANDL	$-const_windowSize, CX; \
	MOVL	$1, AX; \
	LOCK; \
	XADDL	AX, (CX)

// ENTRY reserves the next log entry into DX; clobbers AX.
#define ENTRY \
	MOVL	$1, AX; \
	XADDL	AX, slot_logn(SI); \
	LEAL	const_nearOffset(SI), DX; \
	CMPL	AX, $const_nearCap; \
	JCS	6(PC); \
	MOVL	slot_more(SI), DX; \
	CMPL	AX, $const_logCap; \
	JCS	3(PC); \
	LEAL	slot_sink(SI), DX; \
	XORL	AX, AX; \
	IMULL	$const_entrySize, AX; \
	ADDL	AX, DX

// SLOT finds the slot from the stack pointer.
#define SLOT \
	LEAL	-(const_arenaBase+const_stacksAt)(SP), SI; \
	SHRL	$const_farShift, SI; \
	IMULL	$const_slotSize, SI; \
	ADDL	$(const_arenaBase+const_windowsAt), SI

// OUT loads output word n, narrowed, into AX and DI; clobbers CX. Who is narrowed is at most 32 bits wide, and shifts count modulo 32.
#define OUT(out, shift) \
	MOVWLZX	out(BX), CX; \
	MOVL	(SI)(CX*1), AX; \
	MOVL	4(SI)(CX*1), DI; \
	MOVBLZX	shift(BX), CX; \
	TESTL	CX, CX; \
	JEQ	5(PC); \
	SHLL	CX, AX; \
	SARL	CX, AX; \
	MOVL	AX, DI; \
	SARL	$31, DI

// PUT stores AX at a place, with its sign; clobbers AX.
#define PUT(at, r) \
	MOVL	AX, at(r); \
	SARL	$31, AX; \
	MOVL	AX, (at+4)(r)

// CLEAR zeroes an output word; AX is 0, clobbers CX.
#define CLEAR(out) \
	MOVWLZX	out(BX), CX; \
	MOVL	AX, (SI)(CX*1); \
	MOVL	AX, 4(SI)(CX*1)

TEXT interpreter<>(SB), NOSPLIT|NOFRAME, $0-0
	JMP	start
start:
	MOVL	4(SP), DX        // argv[0]
	MOVBLZX	(DX), DI
	SUBL	$'A', DI
	SHLL	$4, DI
	MOVBLZX	1(DX), AX
	LEAL	-'A'(DI)(AX*1), DI
	MOVL	$1000, SI
	PUSHL	$0               // the offset
	PUSHL	$const_ArenaFD
	PUSHL	$0x11            // MAP_SHARED|MAP_FIXED
	PUSHL	$7               // PROT_READ|PROT_WRITE|PROT_EXEC
	PUSHL	$const_arenaSize
	PUSHL	$const_arenaBase
map:
	MOVL	SP, BX           // the old mmap, whose arguments are in memory, leaves BP alone
	MOVL	$90, AX
	INT	$0x80
	CMPL	AX, $const_arenaBase
	JEQ	mapped
	DECL	SI
	JNE	map              // a tracer may have skipped the call
	MOVL	$101, BX
	MOVL	$252, AX         // exit_group
	INT	$0x80
mapped:
	MOVL	DI, AX
	SHLL	$const_farShift, AX
	ADDL	$(const_arenaBase+const_stacksAt+const_stackTop), AX
	MOVL	AX, SP
	SLOT
	MOVL	slot_enter(SI), AX
	JMP	AX

	LONG	$(const_enterMark&0xffffffff)
	LONG	$(const_enterMark>>32)
	INCL	slot_execs(SI)
	MOVL	slot_pc(SI), BX
	XORL	AX, AX
	JMP	finish

next:
	ADDL	$instr__size, BX
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
	MOVL	BX, slot_pc(SI)
	TESTB	$const_flagLog, instr_flags(BX)
	JEQ	issue
	ENTRY
	MOVL	DX, slot_cur(SI)
	MOVL	instr_index(BX), AX
	MOVL	AX, entry_instr(DX)
	TICKET
	MOVL	AX, entry_begin(DX)
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
	MOVL	SI, DX
	TESTB	$const_flagMore, instr_flags(BX)
	JEQ	three
	OPERAND(instr_how4, instr_arg4, DI)
	OPERAND(instr_how3, instr_arg3, DX)
three:
	PUSHL	DX
	OPERAND(instr_how0, instr_arg0, DX)
	PUSHL	DX
	OPERAND(instr_how1, instr_arg1, DX)
	PUSHL	DX
	OPERAND(instr_how2, instr_arg2, DX)
	MOVL	instr_nr(BX), AX
	POPL	CX
	POPL	BX
	POPL	SI
	INT	$0x80
	// The slot is a child's if the call was a clone and returned there. Then the stack pointer is what the second argument said, which it
	// never is otherwise: of its own stack nobody passes the top. A filter or a tracer that makes the call return 0 changes no stack.
	SLOT
	MOVL	slot_pc(SI), BX
	CMPL	SP, CX
	JEQ	dispatch
finish:
	PUSHL	AX
	TESTB	$const_flagVars, instr_flags(BX)
	JEQ	record
	MOVL	SI, DX
	ANDL	$-const_windowSize, DX
	MOVL	instr_dst(BX), CX
	ADDL	DX, CX
	PUT(0, CX)
	OUT(instr_out0, instr_shift0)
	MOVL	instr_dstOut(BX), CX
	ADDL	DX, CX
	MOVL	AX, (CX)
	MOVL	DI, 4(CX)
record:
	POPL	AX
	TESTB	$const_flagLog, instr_flags(BX)
	JEQ	next
	MOVL	slot_cur(SI), DX
	PUT(entry_ret, DX)
	TESTB	$const_flagOut, instr_flags(BX)
	JEQ	ending
	OUT(instr_out0, instr_shift0)
	MOVL	AX, entry_out0(DX)
	MOVL	DI, (entry_out0+4)(DX)
	OUT(instr_out1, instr_shift1)
	MOVL	AX, entry_out1(DX)
	MOVL	DI, (entry_out1+4)(DX)
	OUT(instr_out2, instr_shift2)
	MOVL	AX, entry_out2(DX)
	MOVL	DI, (entry_out2+4)(DX)
ending:
	MOVL	DX, DI
	RDTSC
	MOVL	AX, entry_tsc(DI)
	MOVL	DX, (entry_tsc+4)(DI)
	TICKET
	MOVL	AX, entry_end(DI)
	JMP	next

branch:
	OPERAND64(instr_how0, instr_arg0, DI, DX)
	ANDL	instr_arg1(BX), DI
	CMPL	DI, instr_arg2(BX)
	JNE	next
	ANDL	(instr_arg1+4)(BX), DX
	CMPL	DX, (instr_arg2+4)(BX)
	JNE	next
	ADDL	instr_arg3(BX), BX
	JMP	dispatch

store:
	OPERAND(instr_how0, instr_arg0, DI)
	PUSHL	DI
	OPERAND64(instr_how1, instr_arg1, DX, DI)
	POPL	CX
	MOVL	DI, 4(CX)
	MOVL	DX, (CX)
	JMP	next

store32:
	OPERAND(instr_how0, instr_arg0, DI)
	OPERAND(instr_how1, instr_arg1, DX)
	MOVL	DX, (DI)
	JMP	next

xadd:
	OPERAND(instr_how0, instr_arg0, DI)
	PUSHL	DI
	OPERAND64(instr_how1, instr_arg1, DX, DI)
	POPL	CX
	PUSHL	BX
	PUSHL	DI
	PUSHL	DX
	MOVL	CX, DI
	MOVL	(DI), AX
	MOVL	4(DI), DX
adding:
	MOVL	AX, BX
	MOVL	DX, CX
	ADDL	(SP), BX
	ADCL	4(SP), CX
	LOCK
	CMPXCHG8B	(DI)
	JNE	adding
	ADDL	$8, SP
	POPL	BX
	MOVL	AX, slot_tmp(SI)
	MOVL	DX, (slot_tmp+4)(SI)
	JMP	next

stamp:
	OPERAND(instr_how0, instr_arg0, DI)
	RDTSC
	MOVL	AX, (DI)
	MOVL	DX, 4(DI)
	JMP	next

spin:
	OPERAND64(instr_how0, instr_arg0, DI, DX)
	MOVL	DX, CX
	RDTSC
	ADDL	AX, DI
	ADCL	DX, CX           // CX:DI is when it ends
spinning:
	RDTSC
	CMPL	AX, DI
	SBBL	CX, DX
	JCC	next
	PAUSE
	JMP	spinning

spinuntil:
	OPERAND(instr_how0, instr_arg0, DI)
	PUSHL	DI
	OPERAND(instr_how1, instr_arg1, DI)
	PUSHL	DI
	OPERAND64(instr_how2, instr_arg2, DI, DX)
	MOVL	DX, CX
	RDTSC
	ADDL	AX, DI
	ADCL	DX, CX
	MOVL	4(SP), SI
waiting:
	MOVL	(SI), AX
	CMPL	AX, (SP)
	JCC	waited
	RDTSC
	CMPL	AX, DI
	SBBL	CX, DX
	JCC	waited
	PAUSE
	JMP	waiting
waited:
	ADDL	$8, SP
	SLOT
	JMP	next

	// The signal handler: (AX signal, DX siginfo, CX context), as ia32_setup_rt_frame passes them besides those on the stack.
	LONG	$(const_handlerMark&0xffffffff)
	LONG	$(const_handlerMark>>32)
	SLOT
	PUSHL	AX
	PUSHL	DX
	ENTRY
	MOVL	$const_entryHandler, entry_kind(DX)
	POPL	CX
	POPL	AX
	PUT(entry_out0, DX)
	MOVL	const_siCode(CX), AX
	PUT(entry_out1, DX)
	MOVL	const_siPid(CX), AX
	PUT(entry_out2, DX)
	TICKET
	MOVL	AX, entry_begin(DX)
	ADDL	$4, SP           // the restorer's address
sigreturn:
	MOVL	$173, AX         // rt_sigreturn
	INT	$0x80
	JMP	sigreturn        // a tracer has skipped the call
	LONG	$(const_endMark&0xffffffff)
	LONG	$(const_endMark>>32)

// func interpreterText() *byte
TEXT ·interpreterText(SB), NOSPLIT, $0-4
	LEAL	interpreter<>(SB), AX
	MOVL	AX, ret+0(FP)
	RET

// func Cycles() uint64
TEXT ·Cycles(SB), NOSPLIT, $0-8
	RDTSC
	MOVL	AX, ret_lo+0(FP)
	MOVL	DX, ret_hi+4(FP)
	RET

// func xstateSize() uint32
TEXT ·xstateSize(SB), NOSPLIT, $0-4
	MOVL	$0xd, AX
	XORL	CX, CX
	CPUID
	MOVL	BX, ret+0(FP)
	RET
