package campaign

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress/history"
	"tracehammer/stress/rules"
)

// recordFile of a state directory is the campaign that runs, or the last one that ran: what the next process needs to go on with it.
const recordFile = "campaign.json"

// maxRecord is the longest record that a reader believes.
const maxRecord = 16 << 20

// recordVersion grows when a record of an older version must not be gone on with.
const recordVersion = 1

// record is a campaign so far. It is written whenever a lease is done, so that a killed campaign loses the leases in progress.
type record struct {
	Version int    `json:"version"`
	Work    string `json:"work"` // what it is about: see workOf
	Over    bool   `json:"over"` // there is nothing to go on with
	Summary
	News     float64         `json:"newsAt"` // seconds of the campaign until the last new outcome or finding; negative: none yet
	Outcomes int             `json:"outcomes"`
	Filed    map[string]bool `json:"filed"` // findings; true: new ones
	Back     []string        `json:"back"`  // those of them that had been closed
	Leases   Ledger          `json:"leases"`
}

// newID names a campaign by when it began.
func newID(began time.Time) string {
	var b [4]byte
	rand.Read(b[:]) //nolint:errcheck // it cannot fail
	return began.UTC().Format("20060102-150405-") + hex.EncodeToString(b[:])
}

// workOf says what a campaign is about: one with other work is another campaign.
func workOf(targets []string, scenarios []*corpus.Scenario, kernel string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n%q\n", targets, kernel)
	for _, s := range scenarios {
		fmt.Fprintf(h, "%q\n", s.Print())
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// readRecord reads the record of a state directory; nil if there is none.
func readRecord(r *crashers.Reader) (*record, error) {
	b, err := r.Saved(recordFile, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var rec record
	if err := json.Unmarshal(b, &rec); err != nil {
		return nil, fmt.Errorf("%s of state directory: %s: use --fresh to begin a new campaign", recordFile, history.Printable(err.Error()))
	}
	return &rec, nil
}

// resume says whether a campaign goes on with what a state directory has on record. If it does not, what is there that was not over
// is put on record as a campaign of its own, and why says what is different.
func (c *campaign) resume() (rec *record, why string, err error) {
	old, err := readRecord(&c.store.Reader)
	if c.Fresh && err != nil {
		old, err = nil, nil
	}
	if err != nil || old == nil {
		return nil, "", err
	}
	switch {
	case old.Over:
		return nil, "", nil
	case c.Fresh:
		why = "a new one was asked for"
	case old.Version != recordVersion:
		why = "it is of another version"
	case old.Work != c.about:
		why = "it has other targets, scenarios or another kernel"
	case c.ID != "" && old.ID != c.ID:
		why = "the fleet works on another one"
	case !c.Drawn && old.Seed != c.Seed:
		why = "it has another seed"
	case c.For > 0 && old.Seconds >= c.For.Seconds():
		why = "it has run for as long already"
	case len(old.PerTarget) > 0 && !slices.ContainsFunc(old.PerTarget, func(n Count) bool { return !n.made(c.Runs) }):
		why = "it has made as many runs already"
	default:
		return old, "", nil
	}
	if old.Interrupted == "" {
		old.Interrupted = killed
		if err := recordSummary(c.State, old.Summary); err != nil {
			return nil, "", err
		}
	}
	return nil, why, nil
}

// killed stands for the signal that ended a campaign which could not say so.
const killed = "kill"

// goOn takes over what a campaign did so far.
func (c *campaign) goOn(rec *record) (err error) {
	c.id, c.Seed = rec.ID, rec.Seed
	c.ledger.Ledger = rec.Leases
	if err = c.ledger.Check(); err != nil {
		return fmt.Errorf("%s of state directory: %w: use --fresh to begin a new campaign", recordFile, err)
	}
	c.before = time.Duration(rec.Seconds * float64(time.Second))
	c.board.restore(rec, c.before)
	return nil
}

// restore makes a board go on with a campaign that has run for some time before.
func (b *board) restore(rec *record, before time.Duration) {
	b.began, b.before, b.resumed = rec.Began, before, true
	b.outcomes = rec.Outcomes
	if rec.News >= 0 {
		b.news = b.start.Add(time.Duration(rec.News*float64(time.Second)) - before)
	}
	if rec.Filed != nil {
		b.filed = maps.Clone(rec.Filed)
	}
	for _, id := range rec.Back {
		b.back[id] = true
	}
	if rec.Canary != nil && rec.Canary.Found {
		b.canary = rec.Canary
	}
	b.earlier = rec.PerTarget
}

// count of a target before the process began; its marks come from its rules.
func restoreCount(earlier []Count, target string) *Count {
	n := &Count{Target: target}
	for i := range earlier {
		if earlier[i].Target == target {
			*n = earlier[i]
		}
	}
	n.marks = marksOf(n.Rules)
	n.Rules, n.Coverage, n.Code = nil, nil, nil
	return n
}

// marksOf is the inverse of rules.CountsOf. Rules that there are not are left out.
func marksOf(c rules.Counts) (m engine.Marks) {
	for id, n := range c {
		if r, err := strconv.Atoi(strings.TrimPrefix(id, "R")); err == nil && r >= 0 && r < len(m) {
			m[r] = n
		}
	}
	return m
}

// save writes the record. An error does not end the campaign: it says so at its end, if there was no success since.
func (c *campaign) save(over bool, interrupted string) {
	c.saving.Lock()
	defer c.saving.Unlock()
	if time.Since(c.seenAgain) >= againEvery {
		c.again()
	}
	c.saveCovered()
	rec := record{Version: recordVersion, Work: c.about, Over: over, Summary: c.board.summary(), Leases: c.ledger.save()}
	c.board.record(&rec)
	c.describe(&rec.Summary)
	rec.Interrupted = interrupted
	b, err := json.Marshal(rec)
	if err == nil {
		err = c.store.Save(recordFile, append(b, '\n'))
	}
	c.unsaved = err
}

// record adds what a summary does not have.
func (b *board) record(rec *record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rec.Outcomes, rec.Filed, rec.News = b.outcomes, maps.Clone(b.filed), -1
	rec.Back = slices.Sorted(maps.Keys(b.back))
	if !b.news.IsZero() {
		rec.News = (b.before + b.news.Sub(b.start)).Seconds()
	}
}

// againEvery is how often further sightings are counted in the state directory: each known finding is a file that is synced.
const againEvery = time.Minute

// lastAgain counts what is left to count at the end.
func (c *campaign) lastAgain() {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.again()
}

// again counts in the state directory how often filed findings were seen again.
func (c *campaign) again() {
	c.seenAgain = time.Now()
	for id, n := range c.sights.further() {
		if n > 0 {
			c.failed(c.store.Seen(id, n, time.Now()))
		}
	}
}

// withRecord puts what a state directory has on record in the place of what it says of that campaign elsewhere.
func withRecord(all []Summary, rec *record) []Summary {
	if rec == nil || rec.Version != recordVersion {
		return all
	}
	sum := rec.Summary
	if !rec.Over && sum.Interrupted == "" {
		sum.Interrupted = killed // or it runs: then this is how far it came
	}
	return merged(append(all, sum))
}

// merged leaves the last word of each campaign: one that was stopped and went on has several.
func merged(all []Summary) []Summary {
	last := map[string]int{}
	for i, s := range all {
		if s.ID != "" {
			last[s.ID] = i
		}
	}
	var out []Summary
	for i, s := range all {
		if s.ID == "" || last[s.ID] == i {
			out = append(out, s)
		}
	}
	return out
}

// encode is a summary as one line of the file of campaigns.
func (s *Summary) encode() ([]byte, error) {
	var line bytes.Buffer
	err := WriteJSON(&line, s.EventName(), *s)
	return line.Bytes(), err
}
