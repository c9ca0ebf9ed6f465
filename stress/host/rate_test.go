package host

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tracehammer/corpus"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

func TestRates(t *testing.T) {
	h, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, c := range []struct{ name, text string }{
		{"getppid", "scenario a\nproc main\nmain: repeat 1000 {\nmain: getppid\nmain: }\n"},
		{"cycle-parked", "scenario b\nproc main\nproc child of main\nmain: repeat 1000 {\nmain: ptrace ATTACH child\nmain: wait4 child __WALL\nmain: ptrace DETACH child\nmain: }\n"},
		{"cycle-pause", "scenario c\nproc main\nproc child of main\nchild: repeat 1000 {\nchild: pause\nchild: }\nmain: repeat 1000 {\nmain: ptrace ATTACH child\nmain: wait4 child __WALL\nmain: ptrace DETACH child\nmain: }\nmain: kill child SIGKILL\n"},
	} {
		s, err := corpus.Parse(c.name, []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		t0 := time.Now()
		var el time.Duration
		const n = 12
		if err := h.Run(context.Background(), p, stress.Plan{Repeat: n, CPUs: []int{1, 1}}, func(h *history.History) bool { el += h.Elapsed; return true }); err != nil {
			t.Fatal(err)
		}
		fmt.Println(c.name, time.Since(t0)/n/1000, el/n/1000)
	}
}
