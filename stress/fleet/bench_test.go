package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"tracehammer/corpus"
	"tracehammer/stress/campaign"
)

// benchCopies is how often each seed scenario is run: what the first turns of seeds do is the same whoever does it, variations are not.
const benchCopies = 8

func benchScenarios() (all []*corpus.Scenario) {
	for n := range benchCopies {
		for i, s := range corpus.Seeds() {
			c := s.Clone()
			c.Name = fmt.Sprintf("copy%d-of-%d", n, i)
			all = append(all, c)
		}
	}
	return all
}

// meter lets campaigns begin at once, when all of them are ready, and stops them when all scenarios have had their turn. What is between is
// measured: what it costs to begin and to end is little in a night.
type meter struct {
	b      *testing.B
	mu     sync.Mutex
	did    []campaign.Count // by campaign
	want   uint64           // scenarios that the target can run
	ready  int
	all    chan struct{}
	begun  chan struct{} // the first is ready
	stop   func()
	before spent
	spent  spent // 0 until they are done
}

func newMeter(b *testing.B, campaigns, scenarios int, stop func()) *meter {
	return &meter{b: b, did: make([]campaign.Count, campaigns), want: uint64(scenarios), all: make(chan struct{}), begun: make(chan struct{}), stop: stop}
}

// of is the reporter of one of the campaigns.
func (m *meter) of(n int) campaign.Reporter {
	return reporter(func(e campaign.Event) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		switch e := e.(type) {
		case campaign.Skip:
			if n == 0 {
				m.want--
			}
		case campaign.Start:
			if n == 0 {
				close(m.begun)
			}
			if m.ready++; m.ready == len(m.did) {
				m.before = spent{0, cpuTime(m.b), time.Duration(time.Now().UnixNano())}
				close(m.all)
			}
			m.mu.Unlock()
			<-m.all
			m.mu.Lock()
		case campaign.Progress:
			m.did[n] = e.Targets[0]
			m.look()
		}
		return nil
	})
}

// look says whether they are done.
func (m *meter) look() {
	var all campaign.Count
	for i := range m.did {
		all.Programs += m.did[i].Programs
		all.Runs += m.did[i].Runs
	}
	if all.Programs < m.want || m.spent.runs > 0 {
		return
	}
	m.spent = spent{all.Runs, cpuTime(m.b) - m.before.cpu, time.Duration(time.Now().UnixNano()) - m.before.wall}
	m.stop()
}

// spent is what campaigns did, and what it took.
type spent struct {
	runs      uint64
	cpu, wall time.Duration
}

func (s *spent) add(o spent) { s.runs, s.cpu, s.wall = s.runs+o.runs, s.cpu+o.cpu, s.wall+o.wall }

// cpuTime is what this process has had.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// runScenarios runs all scenarios once with two workers: of one campaign that is alone, or of several that share one over NATS, whose server
// is in this process, too.
func runScenarios(b *testing.B, scenarios []*corpus.Scenario, fleets int) spent {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	m := newMeter(b, max(fleets, 1), len(scenarios), stop)
	run := func(n int, cfg campaign.Config) {
		cfg.Targets, cfg.Scenarios, cfg.Seed, cfg.State = []string{"engine"}, scenarios, 1, b.TempDir()
		cfg.Workers, cfg.Reporter = 2/max(fleets, 1), m.of(n)
		if _, err := campaign.Run(ctx, cfg); err != nil && !errors.Is(err, context.Canceled) {
			b.Error(err)
			stop()
		}
	}
	if fleets == 0 {
		run(0, campaign.Config{})
		return m.spent
	}
	url := startServer(b, nil).ClientURL()
	var done sync.WaitGroup
	for n := range fleets {
		f, err := Join(b.Context(), Options{URL: url, Name: "bench"})
		if err != nil {
			b.Fatal(err)
		}
		cfg := campaign.Config{Fleet: f}
		if n > 0 {
			<-m.begun
			about, err := f.Work(b.Context())
			if err != nil || about == nil {
				b.Fatalf("%+v, %v", about, err)
			}
			cfg.ID = about.Campaign
		}
		done.Go(func() {
			run(n, cfg)
			f.Close() //nolint:errcheck // it has done its work
		})
	}
	done.Wait()
	return m.spent
}

// BenchmarkTwoWorkers compares two workers of a campaign that is alone with two workers of one that is in a fleet, and with two campaigns of
// a fleet that have a worker each: how many runs a second of CPU time has, the server's included, and a second, of those without NATS. The
// first is what NATS costs, whatever else the machine does.
func BenchmarkTwoWorkers(b *testing.B) {
	scenarios := benchScenarios()
	names := []string{"alone", "fleet-of-one", "fleet-of-two"}
	all := make([]spent, len(names))
	b.ResetTimer()
	for n := range b.N {
		for i := range all {
			i := (i + n) % len(all) // each is first in turn
			s := runScenarios(b, scenarios, i)
			all[i].add(s)
			b.Logf("%s: %d runs, %v of CPU time, %v", names[i], s.runs, s.cpu, s.wall)
		}
	}
	perCPU := func(s spent) float64 { return float64(s.runs) / s.cpu.Seconds() }
	perSecond := func(s spent) float64 { return float64(s.runs) / s.wall.Seconds() }
	b.ReportMetric(perCPU(all[0]), "alone-runs/cpu-s")
	for i, name := range names[1:] {
		b.ReportMetric(perCPU(all[i+1])/perCPU(all[0]), name+"/cpu-s")
		b.ReportMetric(perSecond(all[i+1])/perSecond(all[0]), name+"/s")
	}
}
