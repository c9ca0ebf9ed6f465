//go:build !386 && !amd64 && !arm64 && !ppc64le && !riscv64 && !s390x

package actor

import (
	"debug/elf"
	"encoding/binary"
	"runtime"

	"tracehammer/engine"
)

const (
	elfMachine       = elf.EM_NONE
	elfData          = elf.ELFDATANONE
	auditArch        = 0
	loWord           = 0
	userTop          = arenaBase + arenaSize
	scratchRegisters = 0
	userResult       = 0
	userCall         = 0
	unusedRegister   = 0
	userRegs         = 0
	fpregsSize       = 0
	longestSet       = 512
)

var (
	byteOrder binary.ByteOrder = binary.NativeEndian
	sysno     [engine.NumCalls]uint32
)

// Missing says that there is no interpreter for this architecture: the package compiles, and nothing of it may be used.
func Missing() string { return "there is no interpreter for " + runtime.GOARCH }

func interpreterText() *byte                        { return nil }
func cloneArgs(flags, stack, tid operand) []operand { return nil }
func pauseArgs() []operand                          { return nil }
func sigactionWords(handler, flags uint64) []uint64 { return nil }

// Cycles has no counter to read.
func Cycles() uint64 { return 0 }
