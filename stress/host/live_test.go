package host

import (
	"context"
	"testing"
	"time"

	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

const thread = engine.CLONE_VM | engine.CLONE_FS | engine.CLONE_FILES | engine.CLONE_SIGHAND | engine.CLONE_THREAD | engine.CLONE_SYSVSEM

func barrier(k int) engine.Instr { return engine.Instr{Op: engine.OpBarrier, Barrier: int16(k)} }

func TestRow54(t *testing.T) {
	child := engine.TidOf(1)
	p := &engine.Program{
		Barriers: []engine.Barrier{{Name: "b", Parties: 2}},
		Actors: []engine.Actor{
			{Name: "main", Code: []engine.Instr{
				call(engine.CallClone, fork, 1),
				barrier(0),
				call(engine.CallNanosleep, 2_000_000),
				call(engine.CallPtrace, 16, child, 0, 0),
				end,
			}},
			{Name: "child", Code: []engine.Instr{
				call(engine.CallClone, thread, 2),
				call(engine.CallNanosleep, 1_000_000),
				barrier(0),
				call(engine.CallExecve, 0),
				call(engine.CallGetpid),
				end,
			}},
			{Name: "t", Code: []engine.Instr{
				call(engine.CallPtrace, 0),
				call(engine.CallExit, 0),
				end,
			}},
		},
	}
	h, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	t0 := time.Now()
	err = h.Run(context.Background(), p, stress.Plan{Repeat: 3}, func(h *history.History) bool {
		t.Log(h.Outcome, h.Elapsed, h.Drain, time.Since(t0))
		for _, a := range h.Actors {
			t.Logf("%+v", a)
		}
		if h.Hang != nil {
			for _, th := range h.Hang.Threads {
				t.Logf("%+v", th)
			}
		}
		return true
	})
	t.Log(err, time.Since(t0))
}

func TestRow5(t *testing.T) {
	t1 := engine.TidOf(1)
	p := &engine.Program{
		Vars:     1,
		Barriers: []engine.Barrier{{Name: "b", Parties: 3}, {Name: "filtered", Parties: 2}},
		Actors: []engine.Actor{
			{Name: "main", Code: []engine.Instr{
				call(engine.CallClone, fork, 1),
				call(engine.CallPtrace, 16, t1, 0, 0),
				call(engine.CallWait4, t1, engine.WALL),
				call(engine.CallPtrace, 24, t1, 0, 0),
				call(engine.CallWait4, t1, engine.WALL), // futex exit or getppid entry
				call(engine.CallPtrace, 0x420e, t1, 88, 0),
				barrier(0),
				barrier(1),
				call(engine.CallPtrace, 7, t1, 0, 0),
				end,
			}},
			{Name: "t1", Code: []engine.Instr{
				call(engine.CallClone, thread, 2),
				call(engine.CallGetppid),
				call(engine.CallGetppid),
				end,
			}},
			{Name: "t2", Code: []engine.Instr{
				call(engine.CallNanosleep, 3_000_000),
				call(engine.CallSeccomp, engine.SeccompErrno, int(engine.CallGetppid), 7, engine.SECCOMP_FILTER_FLAG_TSYNC),
				call(engine.CallGetppid),
				barrier(1),
				end,
			}},
		},
	}
	p.Barriers[0].Parties = 1
	h, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	err = h.Run(context.Background(), p, stress.Plan{Repeat: 3}, func(h *history.History) bool {
		t.Log(h.Outcome, h.Elapsed, h.Drain)
		for _, a := range h.Actors {
			t.Logf("%+v", a)
		}
		return true
	})
	t.Log(err)
}
