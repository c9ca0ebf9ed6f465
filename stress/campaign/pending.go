package campaign

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"time"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/history/jsonl"
)

// held is a sighting as a file: what a worker saw first is in the state directory before the minimiser knows of it, and until it is
// filed, so that no end of the process loses it.
type held struct {
	Target      string        `json:"target"`
	Seen        time.Time     `json:"seen"`
	Kind        crashers.Kind `json:"kind"`
	Title       string        `json:"title"`
	Explanation string        `json:"explanation"`
	Rules       []int         `json:"rules,omitempty"`
	crashers.Known
	Actor    engine.ActorID `json:"actor"`
	Instr    int32          `json:"instr"`
	Entry    int32          `json:"entry"`
	Scenario string         `json:"scenario"`
	Plan     stress.Plan    `json:"plan"`
	History  string         `json:"history,omitempty"` // JSON lines
}

// maxHeld is the longest such file that a reader believes.
const maxHeld = 80 << 20

// hold writes a first sighting to the state directory, and says what it wrote.
func (c *campaign) hold(s *sighting) ([]byte, error) {
	f := &s.finding
	h := held{Target: s.target, Seen: time.Now().UTC(), Kind: f.Kind, Title: f.Title, Explanation: f.Explanation, Rules: f.Rules, Known: f.Known,
		Actor: f.Actor, Instr: f.Instr, Entry: f.Entry, Scenario: string(s.item.scenario.Print()), Plan: s.plan}
	if s.hist != nil {
		var b bytes.Buffer
		if err := jsonl.Write(&b, s.hist); err != nil {
			return nil, err
		}
		h.History = b.String()
	}
	b, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("hold finding %q: %w", f.Title, err)
	}
	// Two sightings with one coarse signature on one target are one.
	s.held = heldFile(crashers.ID(s.target + " | " + f.Coarse()))
	return b, c.store.Save(s.held, append(b, '\n'))
}

func heldFile(id string) string { return filepath.Join(crashers.PendingDir, id+".json") }

func heldID(file string) string { return strings.TrimSuffix(filepath.Base(file), ".json") }

// release removes what hold wrote: the finding is filed.
func (c *campaign) release(ctx context.Context, s *sighting) error {
	if s.held == "" {
		return nil
	}
	if c.Fleet != nil {
		if err := insist(ctx, func(ctx context.Context) error { return c.Fleet.Release(ctx, heldID(s.held)) }); err != nil {
			return err
		}
	}
	return c.store.Remove(s.held)
}

// loadPending takes up what an earlier process saw on these targets and did not come to file.
func (c *campaign) loadPending() error {
	names, err := c.store.SavedIn(crashers.PendingDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		s, err := c.unhold(name)
		if err != nil {
			c.skip(Skip{Target: "any", Scenario: name, Reason: history.Printable(err.Error())})
			continue
		}
		if s != nil {
			c.sights.sees(s)
			c.board.sighted()
			c.pending = append(c.pending, s)
		}
	}
	return nil
}

// unhold reads a file of hold; nil if it is for a target that this campaign does not run.
func (c *campaign) unhold(name string) (*sighting, error) {
	b, err := c.store.Saved(name, maxHeld)
	if err != nil {
		return nil, err
	}
	var h held
	if err := json.Unmarshal(b, &h); err != nil {
		return nil, err
	}
	if c.team(h.Target) == nil {
		return nil, nil
	}
	sc, err := corpus.Parse(name, []byte(h.Scenario))
	if err != nil {
		return nil, err
	}
	p, err := corpus.Lower(sc)
	if err != nil {
		return nil, err
	}
	s := &sighting{target: h.Target, item: newItem(sc, p), plan: h.Plan, held: name, finding: crashers.Finding{Kind: h.Kind, Title: h.Title,
		Explanation: h.Explanation, Rules: h.Rules, Known: h.Known, Actor: h.Actor, Instr: h.Instr, Entry: h.Entry}}
	if h.History != "" {
		if s.hist, err = jsonl.Read(strings.NewReader(h.History)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// unfiled are the sightings that the minimiser has to look at: those of an earlier process, then those of the workers until they are done.
func (c *campaign) unfiled() iter.Seq[*sighting] {
	return func(yield func(*sighting) bool) {
		for _, s := range c.pending {
			if !yield(s) {
				return
			}
		}
		c.pending = nil
		for s := range c.sightings {
			if !yield(s) {
				return
			}
		}
	}
}
