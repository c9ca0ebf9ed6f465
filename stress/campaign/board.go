package campaign

import (
	"sync"
	"time"

	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/coverage"
	"tracehammer/stress/rules"
)

// board counts what a campaign did.
type board struct {
	mu       sync.Mutex
	began    time.Time     // of the campaign
	before   time.Duration // that it ran in other processes
	resumed  bool
	earlier  []Count   // what it did there
	start    time.Time // of this process
	news     time.Time // of the last new outcome or finding
	outcomes int
	waiting  int // sightings not yet filed
	skips    int
	counts   []*Count
	filed    map[string]bool // ids of findings of this campaign; true: new
	back     map[string]bool // those of them that had been closed
	canary   *Canary         // when it is over
	disk     Size            // of the state directory
	members  map[string]*member
	received map[string]int // scenarios that others of a fleet kept, by target
	full     bool           // it is larger than it may be
}

func newBoard() *board {
	now := time.Now()
	return &board{began: now, start: now, filed: map[string]bool{}, back: map[string]bool{}}
}

// ran is how long the campaign ran.
func (b *board) ran() time.Duration { return b.before + time.Since(b.start) }

// sawCanary is told what became of the canary.
func (b *board) sawCanary(c *Canary) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.canary = c
}

// team adds a target.
func (b *board) team(name string) *Count {
	n := restoreCount(b.earlier, name)
	n.covered = &coverage.Set{}
	b.counts = append(b.counts, n)
	return b.counts[len(b.counts)-1]
}

// machine is a target that has to be booted.
type machine interface {
	// Starts are how often it was booted, and how often it began with a snapshot.
	Starts() (boots, restores int)
}

// ended counts the boots of a target that is done with.
func (b *board) ended(name string, t stress.Target) {
	m, ok := t.(machine)
	if !ok {
		return
	}
	boots, restores := m.Starts()
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.count(name); c != nil {
		c.Boots += boots
		c.Restores += restores
	}
}

// count is that of a target; nil if it is none of the campaign's.
func (b *board) count(name string) *Count {
	for _, c := range b.counts {
		if c.Target == name {
			return c
		}
	}
	return nil
}

func (b *board) skipped() { b.skips++ }

// tally is what one turn of a worker adds.
type tally struct {
	Verdicts
	operations uint64
	marks      engine.Marks
	program    bool // the turn was the first of its program
	outcomes   int  // new ones
	lost       uint64
}

func (b *board) add(c *Count, t *tally) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.Verdicts.add(&t.Verdicts)
	c.Operations += t.operations
	c.Lost += t.lost
	c.marks.Add(&t.marks)
	if t.program && t.Runs > 0 {
		c.Programs++
	}
	if t.outcomes > 0 {
		b.outcomes += t.outcomes
		b.news = time.Now()
	}
}

// madeEnough says whether a target has made so many runs; never if that is 0.
func (b *board) madeEnough(c *Count, runs uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return c.made(runs)
}

// covered counts features that a worker of c's target had not seen.
func (b *board) covered(c *Count, fresh []coverage.Feature) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range fresh {
		if f.Kind != coverage.Outcome && c.covered.Add(f) {
			c.fresh = append(c.fresh, f)
			if f.Kind == coverage.Block {
				c.BlocksSeen++
			}
		}
	}
}

// keeps counts a kept scenario and says whether it is to be written.
func (b *board) keeps(c *Count) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.Kept++
	return c.Kept <= maxKept && !b.full
}

// receives counts a scenario that another process kept and says whether it is to be written.
func (b *board) receives(target string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.received == nil {
		b.received = map[string]int{}
	}
	b.received[target]++
	return b.received[target] <= maxKept && !b.full
}

// sighted and settled bracket the time in which a sighting is confirmed, minimised and filed.
func (b *board) sighted() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting++
}

func (b *board) settled() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting--
}

// share is how long the minimiser may take for the sighting that it works on, so that those that wait get their turn before
// the planned end.
func (b *board) share(planned time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if planned == 0 {
		return maxMinimise
	}
	left := planned - b.ran()
	return min(max(left/time.Duration(max(b.waiting, 1)), minMinimise), maxMinimise)
}

// found counts a filed finding; false if this campaign filed it before under another coarse signature.
func (b *board) found(f *Found) (first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.filed[f.ID]; ok {
		return false
	}
	b.filed[f.ID] = f.New
	if c := b.count(f.Target); c != nil {
		c.Findings++
	}
	if f.Regression {
		b.back[f.ID] = true
	}
	b.news = time.Now()
	return true
}

func (b *board) newFindings() int {
	n := 0
	for _, isNew := range b.filed {
		if isNew {
			n++
		}
	}
	return n
}

func (b *board) snapshot() []Count {
	seconds := b.ran().Seconds()
	out := make([]Count, len(b.counts))
	for i, c := range b.counts {
		out[i] = *c
		out[i].RunsPerSecond = float64(c.Runs) / seconds
		out[i].RulesSeen = exercised(&c.marks)
	}
	return out
}

// rate remembers when how many runs had been made, for the last minute.
type rate struct {
	times []float64 // seconds of the campaign
	runs  []uint64
}

const (
	rateSpan  = 60.0 // seconds
	rateEvery = 5.0
)

// at takes the number of runs at a time, and returns how many there were per second lately.
func (r *rate) at(seconds float64, runs uint64) float64 {
	if n := len(r.times); n == 0 || seconds-r.times[n-1] >= rateEvery {
		r.times, r.runs = append(r.times, seconds), append(r.runs, runs)
	}
	for len(r.times) > 1 && seconds-r.times[1] >= rateSpan {
		r.times, r.runs = r.times[1:], r.runs[1:]
	}
	if seconds <= r.times[0] {
		return 0
	}
	return float64(runs-r.runs[0]) / (seconds - r.times[0])
}

// usesDisk is told how large the state directory is.
func (b *board) usesDisk(n Size, full bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.disk, b.full = n, full
}

// exercised is how many rules were gone through.
func exercised(m *engine.Marks) (n int) {
	for _, hits := range m {
		if hits > 0 {
			n++
		}
	}
	return n
}

// remaining is how long it is until a planned time is over, or each target has made so many runs at the rate that it had lately; 0 if neither is planned, or
// no rate is known.
func remaining(planned, ran time.Duration, targets []Count, runs uint64) time.Duration {
	var left time.Duration
	known := runs > 0
	for i := range targets {
		c := &targets[i]
		if c.made(runs) {
			continue
		}
		if c.Recent == 0 {
			known = false
			break
		}
		left = max(left, time.Duration(float64(runs-c.Runs)/c.Recent*float64(time.Second)))
	}
	switch over := max(planned-ran, 0); {
	case !known:
		return over
	case planned == 0:
		return left
	default:
		return min(left, over)
	}
}

func (b *board) progress(planned time.Duration, runs uint64) Progress {
	b.mu.Lock()
	defer b.mu.Unlock()
	ran := b.ran()
	p := Progress{Seconds: ran.Seconds(), Targets: b.snapshot(), Outcomes: b.outcomes, NewsSeconds: -1,
		Findings: len(b.filed), NewFindings: b.newFindings(), Regressions: len(b.back), Minimising: b.waiting, Memory: residentMemory(), Disk: b.disk, Members: b.others()}
	for i, c := range b.counts {
		p.Targets[i].Recent = c.rate.at(ran.Seconds(), c.Runs)
	}
	p.Remaining = remaining(planned, ran, p.Targets, runs).Seconds()
	if !b.news.IsZero() {
		p.NewsSeconds = time.Since(b.news).Seconds()
	}
	return p
}

func (b *board) summary() Summary {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Summary{PerTarget: b.snapshot(), Skipped: b.skips, Findings: len(b.filed), NewFindings: b.newFindings(), Regressions: len(b.back), Canary: b.canary,
		Members: b.others(), Began: b.began.UTC(), Ended: time.Now().UTC(), Seconds: b.ran().Seconds()}
	for i := range s.PerTarget {
		c := &s.PerTarget[i]
		c.Rules = rules.CountsOf(&c.marks)
		c.Coverage = counted(c.covered)
		s.Scenarios += c.Runs
		s.Programs += c.Programs
		s.Operations += c.Operations
		s.Verdicts.add(&c.Verdicts)
	}
	return s
}
