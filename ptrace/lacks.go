package ptrace

import "tracehammer/engine"

// Lacks says whether kernels of a profile have not got a request that others have.
func Lacks(p *engine.Profile, r Request) bool {
	if x, ok := since[r]; ok && p.Old.Has(x) {
		return true
	}
	switch r {
	case Getregset, Setregset, GetSyscallInfo, SetSyscallInfo:
		return p.Old.Has(engine.SwNoTracehook)
	}
	return false
}

// Differs says whether kernels of a profile do something else than others with a call that all know, by how they were configured
// or for which architecture. addr and data are as the engine takes them.
func Differs(p *engine.Profile, r Request, addr, data int64) bool {
	switch r {
	case Singleblock:
		return p.Old.Has(engine.SwNoBlockstep) || !Modelled(p, r, data)
	case SeccompGetFilter, SeccompGetMetadata:
		return p.Old.Has(engine.SwNoCheckpointRestore)
	case Seize, Setoptions:
		return Option(data)&OSuspendSeccomp != 0 && p.Old.Has(engine.SwNoCheckpointRestore)
	case Getregset, Setregset:
		return addr == ntShstk && p.Old.Has(engine.SwNoShadowStack)
	case Peekusr:
		return addr >= registerFiles[p.Arch].words && p.Old.Has(engine.SwUserModeRegisters)
	case Getregs:
		return data != 0 && p.Old.Has(engine.SwUserModeRegisters)
	}
	return !Modelled(p, r, data)
}

// Modelled says whether the engine knows what a call of ptrace does on kernels of a profile.
func Modelled(p *engine.Profile, r Request, data int64) bool {
	switch r {
	case Setregs, Setfpregs:
		return !p.Old.Has(engine.SwUserModeRegisters)
	case Getfpregs:
		return data == 0 || !p.Old.Has(engine.SwUserModeRegisters)
	case Singlestep, Singleblock, SysemuSinglestep:
		return !p.Old.Has(engine.SwStepsDerail)
	}
	return true
}

// EmulatedKnown says whether the engine knows what a call returns that SYSEMU skips, on kernels where that is the first argument: of a
// call that none has or a number, and not one of those whose actors pass something else.
func EmulatedKnown(in *engine.Instr) bool {
	switch in.Call {
	case engine.CallClone, engine.CallExecve, engine.CallSigpending, engine.CallSigsuspend, engine.CallNanosleep, engine.CallSeccomp:
		return false
	}
	return in.Args[0].Kind == engine.ArgImm
}
