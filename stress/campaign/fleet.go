package campaign

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

// Fleet is what several processes, on one machine or on many, share while they work on one campaign: the leases, what was kept, and
// what was found. Package stress/fleet has one over NATS. Its methods wait and try again while the others cannot be reached, until ctx
// is done.
type Fleet interface {
	Leases
	// Begin is told what this process is about to work on, before anything else. It is an error if the fleet works on something else.
	Begin(ctx context.Context, b Begun) error
	// Team tells how many seed scenarios a target has.
	Team(ctx context.Context, target string, seeds int) error
	// Keep shares a scenario that showed something new.
	Keep(ctx context.Context, target, name string, text []byte) error
	// File shares the files of a finding, unless somebody has shared one with its ID.
	File(ctx context.Context, id string, files map[string][]byte) error
	// Hold shares what this process saw and is about to file, by the ID of the target and the coarse signature: if it is lost, another one files
	// it. It says false if another one holds such a sighting already.
	Hold(ctx context.Context, id string, h Held) (mine bool, err error)
	// Release is the end of Hold: it is filed.
	Release(ctx context.Context, id string) error
	// Adopt holds, from now on for this process, what those hold who were lost, and that is wanted.
	Adopt(ctx context.Context, want func(target string) bool, take func(id string, text []byte) error) error
	// Count shares what this process did so far.
	Count(ctx context.Context, sum Summary) error
	// Watch hands over what others share, and have shared, until ctx is done or the campaign is over: then it returns nil.
	Watch(ctx context.Context, news FleetNews) error
	// End leaves the fleet's campaign. If it is over, and this process began it, the others are told, and what they still find is handed
	// over until ctx is done or they have left.
	End(ctx context.Context, over bool, news FleetNews) error
}

// Begun is a campaign that a fleet works on.
type Begun struct {
	ID        string
	Began     time.Time
	Seed      uint64
	Targets   []string
	Scenarios []string // texts; none: the built-in seeds
	Seeds     string   // digest of the scenarios: seeds are numbers of them
	Fresh     bool     // in the place of what the fleet works on
}

// FleetNews is told what others of a fleet share, by one goroutine.
type FleetNews interface {
	Kept(target, name string, text []byte)
	// Filed is told whether the finding is of this campaign.
	Filed(id, by string, current bool, files map[string][]byte) error
	Counted(by string, sum Summary)
}

// Held is a sighting as the fleet has it.
type Held struct {
	Target string
	Text   []byte // see hold
}

// Member is another process of a fleet.
type Member struct {
	Name     string  `json:"name"`
	Runs     uint64  `json:"runs"`
	Findings int     `json:"findings"` // that it filed, or others did
	Heard    float64 `json:"heard"`    // seconds since it said so
}

// errOver is why a campaign of a fleet ends that had no end of its own.
var errOver = errors.New("the fleet's campaign is over")

// shareTime bounds how long a process that ends tries to share what it has.
const shareTime = 20 * time.Second

// insist shares something: it waits as long as the fleet cannot be reached, and when ctx is done for shareTime more.
func insist(ctx context.Context, share func(context.Context) error) error {
	if err := share(ctx); err == nil || ctx.Err() == nil {
		return err
	}
	last, done := context.WithTimeout(context.WithoutCancel(ctx), shareTime)
	defer done()
	return share(last)
}

// begin tells the fleet what this process works on.
func (c *campaign) begin(ctx context.Context) error {
	b := Begun{ID: c.id, Began: c.board.began, Seed: c.Seed, Targets: c.Targets, Seeds: workOf(nil, c.Scenarios, ""), Fresh: c.Fresh}
	if c.Named {
		for _, s := range c.Scenarios {
			b.Scenarios = append(b.Scenarios, string(s.Print()))
		}
	}
	return c.Fleet.Begin(ctx, b)
}

// end leaves the fleet.
func (c *campaign) end(over bool) error {
	if c.Fleet == nil {
		return nil
	}
	last, done := context.WithTimeout(context.Background(), shareTime)
	defer done()
	err := errors.Join(c.shareAll(last), c.Fleet.Count(last, c.board.summary()), c.Fleet.End(last, over, fleet{c}))
	if err == nil && over {
		// What is left is nobody's any more. It is filed by the next campaign on these targets.
		left, done := context.WithTimeout(context.Background(), shareTime) // the others may have taken all of last to leave
		defer done()
		err = c.Fleet.Adopt(left, func(target string) bool { return slices.Contains(c.Targets, target) }, func(id string, text []byte) error {
			return c.store.Save(heldFile(id), append(text, '\n'))
		})
	}
	return err
}

// mine shares a sighting that is held here, and says whether it is for this process to file.
func (c *campaign) mine(ctx context.Context, s *sighting, text []byte) bool {
	if c.Fleet == nil || len(c.store.Similar(s.finding.Coarse())) > 0 { // it will be counted
		return true
	}
	mine, err := c.Fleet.Hold(ctx, heldID(s.held), Held{s.target, text})
	if err != nil {
		if ctx.Err() == nil {
			c.failed(err)
		}
		return true
	}
	if !mine {
		c.failed(c.store.Remove(s.held))
	}
	return mine
}

// adoptEvery is how often a process looks for what the lost have seen.
const adoptEvery = 10 * time.Second

// adopt has the minimiser file what lost processes saw on targets that run here, until ctx is done.
func (c *campaign) adopt(ctx context.Context) error {
	runs := func(target string) bool {
		return slices.ContainsFunc(c.teams, func(tm *team) bool { return tm.name == target })
	}
	for t := time.NewTicker(adoptEvery); ; {
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		err := c.Fleet.Adopt(ctx, runs, func(id string, text []byte) error {
			if err := c.store.Save(heldFile(id), append(text, '\n')); err != nil {
				return err
			}
			s, err := c.unhold(heldFile(id))
			if s == nil || err != nil {
				return err
			}
			c.sights.sees(s)
			c.board.sighted()
			c.sightings <- s
			return nil
		})
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// poolName names the seeds of a target: kernels of one name on different machines have their own, unless they are the same kernel and run
// the same scenarios. One that is confined, or lacks requests, has fewer of them, and their numbers are others.
func (t *team) poolName() string {
	if stress.Simulated(t.name) {
		return t.name
	}
	h := sha256.New()
	for _, s := range t.seeds {
		fmt.Fprintf(h, "%q\n", s.Name)
	}
	return fmt.Sprintf("%s on %s %s with %x", t.name, t.where.Kernel, t.where.Arch, h.Sum(nil)[:4])
}

// fleet is the campaign as what the fleet tells goes to.
type fleet struct{ *campaign }

// keptName is what scenarios are called that campaigns keep.
var keptName = regexp.MustCompile(`^kept-[0-9a-f]{12}$`)

// Kept implements FleetNews: the state directory has it, as if this process had kept it, and the first worker of the target that comes by,
// if it runs here.
func (f fleet) Kept(target, name string, text []byte) {
	if !keptName.MatchString(name) || !slices.Contains(f.Targets, target) {
		return
	}
	s, err := corpus.Parse(name, text)
	if err != nil || s.Validate() != nil {
		return
	}
	p, err := corpus.Lower(s)
	if err != nil {
		return
	}
	if _, err := os.Stat(filepath.Join(f.store.KeptDir(target), name+".scn")); errors.Is(err, fs.ErrNotExist) && f.board.receives(target) {
		_, err := f.store.Keep(target, name, text)
		f.failed(err)
	}
	for _, tm := range f.teams {
		if tm.name == target && unfit(s, target, &tm.where) == "" {
			tm.inbox.put(seedScenario{s, p, nil})
		}
	}
}

// Filed implements FleetNews: a finding of another process is filed here as well, so that nobody minimises it twice and each state
// directory has all.
func (f fleet) Filed(id, by string, current bool, files map[string][]byte) error {
	if _, err := f.store.Meta(id); err == nil {
		return nil
	}
	cr, err := crashers.Decode(id, func(name string, limit int64) ([]byte, error) {
		b, ok := files[name]
		switch {
		case !ok:
			return nil, fs.ErrNotExist
		case int64(len(b)) > limit:
			return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
		}
		return b, nil
	})
	if err != nil {
		return fmt.Errorf("finding %s of %s: %w", history.Printable(id), history.Printable(by), err)
	}
	if crashers.ID(cr.Signature) != id {
		return fmt.Errorf("finding %s of %s: it has another signature", history.Printable(id), history.Printable(by))
	}
	isNew, err := f.store.Put(cr, time.Now())
	if err != nil {
		return err
	}
	f.sights.filedElsewhere(cr.Coarse, id)
	e := foundEvent(f.store, cr, isNew && current)
	if e.By = by; f.board.found(&e) {
		f.out.report(e)
	}
	return nil
}

// Counted implements FleetNews.
func (f fleet) Counted(by string, sum Summary) {
	f.board.counted(by, sum)
}

// share files a finding with the fleet.
func (c *campaign) share(ctx context.Context, id string) error {
	if c.Fleet == nil {
		return nil
	}
	files, err := c.store.Files(id)
	if err != nil {
		return err
	}
	return c.Fleet.File(ctx, id, files)
}

// shareFinding shares what became of a sighting.
func (c *campaign) shareFinding(ctx context.Context, s *sighting) error {
	if c.Fleet == nil {
		return nil
	}
	return insist(ctx, func(ctx context.Context) error { return c.share(ctx, c.sights.idOf(s)) })
}

// shareAll shares what this campaign filed: a process that was killed may not have come to it.
func (c *campaign) shareAll(ctx context.Context) error {
	metas, err := c.store.List()
	for _, m := range metas {
		if !m.FirstSeen.Before(c.board.began) {
			err = errors.Join(err, c.share(ctx, m.ID))
		}
	}
	return err
}

// follow takes part in the fleet until ctx is done, or ends the campaign with it.
func (c *campaign) follow(ctx context.Context, stop context.CancelCauseFunc) error {
	err := c.shareAll(ctx)
	if err == nil {
		err = c.Fleet.Watch(ctx, fleet{c})
	}
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		err = errOver
	}
	stop(err)
	if errors.Is(err, errOver) {
		return nil
	}
	return err
}

// counted remembers what another process says.
func (b *board) counted(by string, sum Summary) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.members == nil {
		b.members = map[string]*member{}
	}
	b.members[by] = &member{sum.Runs, sum.Findings, time.Now()}
}

type member struct {
	runs     uint64
	findings int
	heard    time.Time
}

// others lists the other processes by name.
func (b *board) others() (all []Member) {
	for name, m := range b.members {
		all = append(all, Member{name, m.runs, m.findings, time.Since(m.heard).Seconds()})
	}
	slices.SortFunc(all, func(x, y Member) int { return strings.Compare(x.Name, y.Name) })
	return all
}

// MemberName is what a process of a fleet is called: no other has the name at the same time.
func MemberName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	host = strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' {
			return c
		}
		return '-'
	}, host)
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}
