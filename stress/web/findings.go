package web

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress/campaign"
	"tracehammer/stress/history"
	"tracehammer/stress/history/render"
	"tracehammer/stress/rules"
)

// Finding is one in a list.
type Finding struct{ crashers.Meta }

// cache keeps the list of findings for a moment: it is read from as many files as there are.
type cache struct {
	mu   sync.Mutex
	read time.Time
	all  []Finding
	err  error
	// Campaigns on record, likewise.
	recordsRead time.Time
	records     []campaign.Summary
	recordsErr  error
}

const cacheTime = time.Second

// campaigns are those on record, oldest first. Nobody changes them.
func (s *Server) campaigns() ([]campaign.Summary, error) {
	c := &s.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.recordsRead) < cacheTime {
		return c.records, c.recordsErr
	}
	c.recordsRead = time.Now()
	c.records, c.recordsErr = campaign.Campaigns(s.State)
	return c.records, c.recordsErr
}

// list are all findings, those first that were seen last. An error names those that could not be read.
func (s *Server) list() ([]Finding, error) {
	c := &s.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.read) < cacheTime {
		return c.all, c.err
	}
	c.read, c.all = time.Now(), nil
	store, err := crashers.OpenReader(s.State)
	if c.err = err; err != nil {
		return nil, err
	}
	metas, err := store.List()
	c.err = err
	for i := range metas {
		c.all = append(c.all, Finding{metas[i]})
	}
	slices.SortStableFunc(c.all, func(a, b Finding) int { return b.LastSeen.Compare(a.LastSeen) })
	return c.all, c.err
}

// StateCount is how many findings are in a state.
type StateCount struct {
	State crashers.State
	N     int
	Here  bool // the list shows those alone
}

func byState(all []Finding) (counts []StateCount) {
	for _, s := range crashers.States() {
		n := 0
		for i := range all {
			if all[i].State == s {
				n++
			}
		}
		if n > 0 || s != crashers.StateUnread {
			counts = append(counts, StateCount{State: s, N: n})
		}
	}
	return counts
}

type findingsPage struct {
	Findings []Finding
	Total    int
	States   []StateCount
	Only     *crashers.State // shown alone; nil: all
	Problem  string
}

func (s *Server) findings(r *http.Request) (frame, error) {
	all, err := s.list()
	p := findingsPage{States: byState(all), Total: len(all)}
	if name := r.URL.Query().Get("state"); name != "" {
		i := slices.IndexFunc(p.States, func(c StateCount) bool { return c.State.String() == name })
		if i < 0 {
			return frame{}, &notFound{"there is no such state of a finding"}
		}
		p.Only, p.States[i].Here = &p.States[i].State, true
	}
	if err != nil {
		p.Problem = history.Printable(err.Error())
	}
	for i := range all {
		if p.Only == nil || all[i].State == *p.Only {
			p.Findings = append(p.Findings, all[i])
		}
	}
	return frame{Title: "Findings", Here: "findings", Page: p}, nil
}

type findingPage struct {
	Finding
	Dir         string
	What        string // the kind, as a sentence
	RuleList    []ruleRef
	Scenario    string
	Explanation string
	Schedule    string
	Lanes       template.HTML
	LanesText   string // the same as text
	Drawn       string // what the picture shows of which run
	Threads     []thread
	Console     string
	ConsoleCut  int // lines of the console that are left out
	Repro       string
	Notes       string
	NoPicture   string // why there is none
	Curve       *curvePage
	Seen        []sighting
}

type ruleRef struct {
	N     int
	Title string
}

// thread is a line of what the watcher saw when nothing moved any more.
type thread struct{ Name, State, Wchan, Tracer, Stack string }

// sighting is where the finding was seen.
type sighting struct {
	Target, Kernel, Arch string
	What                 string
}

var whats = map[crashers.Kind]string{
	crashers.NotAdmitted: "A system call returned what no execution of the model returns.",
	crashers.Invariant:   "An invariant was broken.",
	crashers.Hang:        "A run stood still, and no documented wait explains it.",
	crashers.Console:     "The kernel complained about itself.",
	crashers.Crash:       "The machine or a program died.",
}

// maxConsoleShown is how many lines of a console a page shows: the last ones.
const maxConsoleShown = 400

// open loads the finding that a request names. Only what looks like an ID gets that far, and only one that is there is read.
func (s *Server) open(r *http.Request) (*crashers.Reader, *crashers.Crasher, *engine.Program, error) {
	store, err := crashers.OpenReader(s.State)
	if err != nil {
		return nil, nil, nil, err
	}
	c, p, err := campaign.LoadFinding(store, r.PathValue("id"))
	return store, c, p, err
}

func (s *Server) finding(r *http.Request) (frame, error) {
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	case <-r.Context().Done():
		return frame{}, r.Context().Err()
	}
	store, c, p, err := s.open(r)
	if err != nil {
		return frame{}, err
	}
	page := findingPage{Finding: Finding{Meta: c.Meta}, Dir: history.Printable(store.Dir(c.ID)), What: whats[c.Kind],
		Scenario: printableLines(string(c.Scenario)), Explanation: printableLines(c.Explanation), Schedule: printableLines(c.Schedule), Repro: printableLines(string(c.Repro))}
	if notes, err := store.Notes(c.ID); err == nil {
		page.Notes = printableLines(notes)
	}
	c.Command = crashers.Command(crashers.Program(), s.State, c.ID)
	page.Command = history.Printable(c.Command)
	for _, n := range c.Rules {
		page.RuleList = append(page.RuleList, ruleRef{n, rules.Title(n)})
	}
	s.picture(r.Context(), &page, c, p)
	page.Curve = curveOf(c.Curve)
	page.seen(c)
	if m, _, err := campaign.LoadMatrix(s.State); err == nil && m != nil {
		page.seenIn(m, c.ID)
	}
	return frame{Title: c.Title, Here: "findings", Page: &page}, nil
}

// seen says where the finding was filed from, and where it was tried since.
func (page *findingPage) seen(c *crashers.Crasher) {
	page.Seen = append(page.Seen, sighting{c.Target, c.Kernel, c.Arch, "filed from there, " + c.Rate()})
	for _, t := range c.Tried {
		what := fmt.Sprintf("shown by %d of %d runs on %s", t.Hits, t.Runs, t.When.UTC().Format("2006-01-02"))
		switch {
		case t.Runs == 0:
			what = "no run could be decided"
		case t.Hits == 0:
			what = fmt.Sprintf("not shown by %d runs on %s", t.Runs, t.When.UTC().Format("2006-01-02"))
		}
		page.Seen = append(page.Seen, sighting{history.Printable(t.Target), history.Printable(t.Kernel), history.Printable(t.Arch), what})
	}
}

// seenIn adds the cells of a matrix that filed the finding.
func (page *findingPage) seenIn(m *campaign.Matrix, id string) {
	for _, row := range m.Rows {
		for i, cell := range row.Cells {
			if slices.Contains(cell.Findings, id) {
				t := &m.Targets[i]
				page.Seen = append(page.Seen, sighting{history.Printable(t.Name), history.Printable(t.Kernel), "", "in the matrix, by scenario " + history.Printable(row.Scenario)})
			}
		}
	}
}

// picture draws the run that shows the finding: the one on record, or the one that the filed schedule makes.
func (s *Server) picture(ctx context.Context, page *findingPage, c *crashers.Crasher, p *engine.Program) {
	h, at := c.History, c.At
	if h != nil {
		page.Drawn = runText(h)
	}
	var exact *replayed
	if run, ok := replay(ctx, c, p); ok {
		exact = &run
		if h == nil {
			h, at = run.h, nil
			page.Drawn = "the run of the filed schedule on the model"
		}
	}
	if h == nil {
		page.NoPicture = "There is no history of it: the run ended with the machine or the program."
		return
	}
	if len(h.Actors) > len(p.Actors) {
		page.NoPicture = "Its history is of another scenario."
		return
	}
	page.Lanes = drawLanes(p, h, at, page.Explanation, exact)
	var text strings.Builder
	if render.WriteLanes(&text, p, h) == nil {
		page.LanesText = text.String()
	}
	if h.Hang != nil {
		for _, t := range h.Hang.Threads {
			row := thread{Name: render.ActorName(p, t.Actor), Wchan: history.Printable(t.Wchan), Stack: history.Printable(strings.Join(t.Stack, " < "))}
			if t.State != 0 {
				row.State = string(rune(t.State))
			}
			if t.TracerPid != 0 {
				row.Tracer = fmt.Sprint(t.TracerPid)
				if a := h.ActorOf(int64(t.TracerPid)); a != engine.NoActor {
					row.Tracer = render.ActorName(p, a)
				}
			}
			page.Threads = append(page.Threads, row)
		}
		if !slices.ContainsFunc(page.Threads, func(t thread) bool { return t.Wchan != "" || t.Stack != "" }) {
			page.Threads = nil // the picture says as much
		}
	}
	lines := h.Console
	if page.ConsoleCut = max(0, len(lines)-maxConsoleShown); page.ConsoleCut > 0 {
		lines = lines[page.ConsoleCut:]
	}
	page.Console = printableLines(strings.Join(lines, "\n"))
}

// runText says which run a history is of.
func runText(h *history.History) string {
	s := fmt.Sprintf("run %d on %s", h.Run, history.Printable(h.Target))
	if h.Kernel != "" {
		s += ", " + history.Printable(h.Kernel)
	}
	if h.Arch != "" {
		s += ", " + history.Printable(h.Arch)
	}
	s += ": " + h.Outcome.String()
	if h.Elapsed != 0 {
		s += " after " + h.Elapsed.Round(time.Microsecond).String()
	}
	return s
}

// printableLines makes lines of anybody's text printable.
func printableLines(text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		b.WriteString(history.Printable(strings.ReplaceAll(strings.TrimRight(l, "\r\n"), "\t", "    ")))
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n")
}

// reproducer and scenario hand out files of a finding, to be kept: a browser does not show them.
func (s *Server) reproducer(w http.ResponseWriter, r *http.Request) {
	_, c, _, err := s.open(r)
	switch {
	case err != nil:
		s.problem(w, err)
	case c.Repro == nil:
		s.problem(w, &notFound{"there is no C program that shows this finding"})
	default:
		download(w, "repro-"+c.ID+".c", c.Repro)
	}
}

func (s *Server) scenario(w http.ResponseWriter, r *http.Request) {
	_, c, _, err := s.open(r)
	if err != nil {
		s.problem(w, err)
		return
	}
	download(w, c.ID+".scn", c.Scenario)
}

// download sends a file. Its name is made of an ID, which has hexadecimal digits alone.
func download(w http.ResponseWriter, name string, data []byte) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Write(data) //nolint:errcheck // who does not read it does not want it
}
