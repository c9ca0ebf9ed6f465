package actor

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
	"tracehammer/ptrace"
)

// What can be said of a program without running it. All answers err on the safe side.

// leaders gives for each actor the leader of the process that it is created in.
func leaders(p *engine.Program) []engine.ActorID {
	out := make([]engine.ActorID, len(p.Actors))
	for a := range out {
		out[a] = engine.ActorID(a)
	}
	for range out { // creators need not come before their children
		for a := range p.Actors {
			for _, in := range p.Actors[a].Code {
				if child := in.Args[1].N; in.Op == engine.OpCall && in.Call == engine.CallClone && in.Args[0].N&engine.CLONE_THREAD != 0 && child >= 0 && int(child) < len(out) {
					out[child] = out[a]
				}
			}
		}
	}
	return out
}

// sharesMemory says whether actor 0 may be created in init's memory, which saves an address space and most of its page
// faults. Actors do not write to memory that is not shared anyway, so nobody can tell, unless the program pokes words, or
// changes what the kernel keeps with an address space: whether it is dumpable. Before Linux 5.17 a core dump killed
// everybody in the same memory, and with init the namespace.
func sharesMemory(p *engine.Program) bool {
	if !kernelAtLeast(5, 17) {
		return false
	}
	for i := range p.Actors {
		for _, in := range p.Actors[i].Code {
			if in.Op != engine.OpCall {
				continue
			}
			switch in.Call {
			case engine.CallSetresuid, engine.CallSetresgid:
				return false
			case engine.CallPrctl:
				if in.Args[0].N != engine.PR_SET_PDEATHSIG && in.Args[0].N != engine.PR_SET_CHILD_SUBREAPER && in.Args[0].N != engine.PR_SET_NO_NEW_PRIVS {
					return false
				}
			case engine.CallPtrace:
				switch ptrace.Request(in.Args[0].N) {
				case ptrace.Poketext, ptrace.Pokedata:
					return false
				}
			}
		}
	}
	return true
}

// kernelAtLeast compares the running kernel's version.
func kernelAtLeast(major, minor int) bool {
	var u unix.Utsname
	var a, b int
	if err := unix.Uname(&u); err != nil {
		return false
	}
	n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b)
	return n == 2 && (a > major || a == major && b >= minor)
}

// seesCalls says whether some tracer stops at the system calls of actors, or steps over them.
func seesCalls(p *engine.Program) bool {
	for i := range p.Actors {
		for _, in := range p.Actors[i].Code {
			if in.Op == engine.OpCall && in.Call == engine.CallPtrace {
				switch ptrace.Request(in.Args[0].N) {
				case ptrace.Syscall, ptrace.Sysemu, ptrace.SysemuSinglestep, ptrace.Singlestep, ptrace.Singleblock:
					return true
				}
			}
		}
	}
	return false
}

// mayTrace says whether actor a might make b its tracee by attaching, or b make its creator its tracer; a is NoActor for
// anybody.
func mayTrace(p *engine.Program, a, b engine.ActorID) bool {
	for i := range p.Actors {
		me := engine.ActorID(i)
		for _, in := range p.Actors[i].Code {
			if in.Op != engine.OpCall || in.Call != engine.CallPtrace {
				continue
			}
			target := in.Args[1]
			switch ptrace.Request(in.Args[0].N) {
			case ptrace.Traceme:
				if me == b {
					return true
				}
			case ptrace.Attach, ptrace.Seize:
				if (a == engine.NoActor || a == me) && (target.Kind != engine.ArgTid || target.N == int64(b)) {
					return true
				}
			}
		}
	}
	return false
}

// dangers refuses programs that could do harm to the harness, or leave something behind for ever.
func dangers(p *engine.Program) error {
	var edges [engine.MaxActors][engine.MaxActors]bool // a may hold b in PTRACE_EVENT_EXIT
	leader := leaders(p)
	for a := range p.Actors {
		exit := false
		for _, in := range p.Actors[a].Code {
			exit = exit || asksForExitStops(&in)
			if tracesInit(&in) {
				return fmt.Errorf("%s traces the namespace's init", p.Actors[a].Name)
			}
		}
		for b := range p.Actors {
			edges[a][b] = exit && leader[a] != leader[b] && mayTrace(p, engine.ActorID(a), engine.ActorID(b))
		}
	}
	for range p.Actors { // who is created by a tracee may be traced by its tracer
		for c := range p.Actors {
			for _, in := range p.Actors[c].Code {
				if b := in.Args[1].N; in.Op == engine.OpCall && in.Call == engine.CallClone && b >= 0 && int(b) < len(p.Actors) {
					for a := range p.Actors {
						edges[a][b] = edges[a][b] || edges[a][c] && a != int(b)
					}
				}
			}
		}
	}
	for via := range edges { // transitive closure
		for a := range edges {
			for b := range edges {
				edges[a][b] = edges[a][b] || edges[a][via] && edges[via][b]
			}
		}
	}
	for a := range edges {
		if edges[a][a] {
			return errors.New("actors that may trace each other with TRACEEXIT hold each other in exit stops for ever (R76, R112)")
		}
	}
	return nil
}

func tracesInit(in *engine.Instr) bool {
	if in.Op != engine.OpCall || in.Call != engine.CallPtrace || in.Args[1] != engine.Imm(int64(engine.InitTid)) {
		return false
	}
	r := ptrace.Request(in.Args[0].N)
	return r == ptrace.Attach || r == ptrace.Seize
}

func asksForExitStops(in *engine.Instr) bool {
	if in.Op != engine.OpCall || in.Call != engine.CallPtrace {
		return false
	}
	switch ptrace.Request(in.Args[0].N) {
	case ptrace.Setoptions, ptrace.Seize:
		return in.Args[3].Kind != engine.ArgImm || ptrace.Option(in.Args[3].N)&ptrace.OTraceexit != 0
	}
	return false
}
