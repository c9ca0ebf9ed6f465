package campaign

import (
	"sync"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
)

// sighting is a violation that a worker saw, on its way to the minimiser.
type sighting struct {
	finding crashers.Finding
	item    *item
	target  string
	plan    stress.Plan      // as narrow as the run that showed it allows
	hist    *history.History // nil if the violation ended the target's work
	held    string           // the file that holds it until it is filed
}

// sights tells first sightings from further ones.
type sights struct {
	mu    sync.Mutex
	count map[sight]int    // sightings after the first
	rows  map[string]int   // title of a finding: row of the known bug that a seed showed with it, of those that no planted bug tells
	ids   map[sight]string // of those that are filed
}

// sight is what makes two sightings one before there is a minimal scenario.
type sight struct{ target, coarse string }

func newSights() *sights {
	return &sights{count: map[sight]int{}, rows: map[string]int{}, ids: map[sight]string{}}
}

// first says whether s is the first sighting of its kind on its target; it gives the finding the row of a known bug.
func (g *sights) first(s *sighting, v oracle.Kind) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := &s.finding
	if f.KnownBug == 0 {
		// No planted bug explains it. Only a seed is sure to show the bug that it is marked with; its variations may have met
		// another one, unless they show it the same way.
		if s.item.seed {
			for _, k := range s.item.known {
				if shows(k, v) && !crashers.Told(k.Row) {
					g.rows[f.Title] = k.Row
				}
			}
		}
		if row := g.rows[f.Title]; row != 0 {
			f.Known = crashers.KnownAs(row, true)
		}
	}
	key := sight{s.target, f.Coarse()}
	if n, ok := g.count[key]; ok {
		g.count[key] = n + 1
		return false
	}
	g.count[key] = 0
	return true
}

// sees takes a sighting of an earlier process for the first of its kind.
func (g *sights) sees(s *sighting) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count[sight{s.target, s.finding.Coarse()}] = 0
}

// shows says whether a verdict is how a known bug is said to show.
func shows(k corpus.KnownBug, v oracle.Kind) bool {
	for _, s := range k.Shows {
		switch s {
		case corpus.SignHang:
			if v == oracle.Hang {
				return true
			}
		case corpus.SignNotAdmitted:
			if v == oracle.NotAdmitted {
				return true
			}
		case corpus.SignConsole:
			if v == oracle.Console {
				return true
			}
		}
	}
	return false
}

// filed records under which id a first sighting was filed.
func (g *sights) filed(s *sighting, id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ids[sight{s.target, s.finding.Coarse()}] = id
}

// filedElsewhere records under which id another process filed what was seen here as well and left to it.
func (g *sights) filedElsewhere(coarse, id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k := range g.count {
		if _, has := g.ids[k]; k.coarse == coarse && !has {
			g.ids[k] = id
		}
	}
}

// idOf is under which id a first sighting was filed.
func (g *sights) idOf(s *sighting) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ids[sight{s.target, s.finding.Coarse()}]
}

// further lists how often each filed finding was seen again since it was asked last.
func (g *sights) further() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	again := map[string]int{}
	for k, id := range g.ids {
		again[id] += g.count[k]
		g.count[k] = 0
	}
	return again
}
