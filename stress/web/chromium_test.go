package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tracehammer/stress/campaign"
	"tracehammer/stress/rules"
)

// asked collects what a browser asks for.
type asked struct {
	mu    sync.Mutex
	paths []string
}

func (a *asked) add(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paths = append(a.paths, path)
}

func (a *asked) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	paths := a.paths
	a.paths = nil
	slices.Sort(paths)
	return slices.Compact(paths)
}

// chromium is the browser; the test is skipped where there is none.
func chromium(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds for each page")
	}
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	return browser
}

// TestChromium: in a real browser no text runs as a script and nothing is fetched from elsewhere; and that is so because text is
// text, and not because the pages' policy forbids it.
func TestChromium(t *testing.T) {
	browser := chromium(t)
	dir, id := stateDir(t)
	s := New(Config{State: dir, Access: Access{Loopback: true}})
	tell(t, s)
	var leaks, pages asked
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Host, "owned.example") {
			leaks.add(r.URL.Path)
		}
	}))
	defer elsewhere.Close()
	profile := t.TempDir()
	dump := func(url string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
			"--host-resolver-rules=MAP * "+strings.TrimPrefix(elsewhere.URL, "http://")+", EXCLUDE 127.0.0.1", "--user-data-dir="+profile, "--dump-dom", url)
		cmd.Env = append(os.Environ(), "HOME="+profile)
		cmd.WaitDelay = time.Second
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("chromium %s: %v", url, err)
		}
		return string(out)
	}
	show := func(h http.HandlerFunc) string {
		server := httptest.NewServer(h)
		defer server.Close()
		return dump(server.URL)
	}
	// The test can fail: a page that does not escape is seen to do what it must not.
	show(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!DOCTYPE html><body>"+hostile)
	})
	if got := leaks.take(); !slices.Equal(got, []string{"/1", "/2", "/3", "/4", "/5"}) {
		t.Fatalf("where nothing is escaped, only %v ask for something", got)
	}
	// All pages at once, each in a frame and without the headers that forbid.
	all := append([]string{"/findings/" + id}, paths...)
	show(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && r.URL.RawQuery == "" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			for _, path := range all {
				sep := "?"
				if strings.Contains(path, "?") {
					sep = "&"
				}
				fmt.Fprintf(w, `<iframe src="%s%sframe=1"></iframe>`, path, sep)
			}
			return
		}
		pages.add(r.URL.Path)
		s.Handler().ServeHTTP(unguarded{w}, r)
	})
	if got := pages.take(); len(got) < len(all) {
		t.Errorf("the browser asked for %v alone", got)
	}
	// And as it is served.
	dom := show(s.Handler().ServeHTTP)
	if !strings.Contains(dom, "</main>") || strings.Contains(dom, "<script") {
		t.Errorf("the page is not there:\n%.500s", dom)
	}
	if got := leaks.take(); len(got) > 0 {
		t.Errorf("the pages ask for %v elsewhere", got)
	}
}

// unguarded drops the headers that forbid.
type unguarded struct{ http.ResponseWriter }

func (w unguarded) WriteHeader(code int) {
	for _, h := range []string{"Content-Security-Policy", "X-Frame-Options", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy"} {
		w.Header().Del(h)
	}
	w.ResponseWriter.WriteHeader(code)
}

// devtools is a browser that is told over a pipe what to do.
type devtools struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	session string
	asked   int
	loads   int // pages that were loaded
}

func openDevtools(t *testing.T, browser string) *devtools {
	t.Helper()
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	profile := t.TempDir()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--user-data-dir="+profile, "--remote-debugging-pipe", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+profile)
	cmd.ExtraFiles = []*os.File{in, out} // 3 and 4, as the browser expects
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	d := &devtools{t: t, to: to, from: bufio.NewReader(from)}
	t.Cleanup(func() {
		d.session = ""
		d.do("Browser.close", nil, nil)
		cmd.Wait() //nolint:errcheck // how it ends says nothing
		cancel()
		to.Close()
		from.Close()
	})
	var target struct{ TargetID, SessionID string }
	d.do("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	d.do("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	d.session = target.SessionID
	d.do("Page.enable", nil, nil)
	return d
}

// read takes one message of the browser's; of events, loads are counted.
func (d *devtools) read() (id int, result json.RawMessage) {
	d.t.Helper()
	line, err := d.from.ReadBytes(0)
	if err != nil {
		d.t.Fatalf("the browser says no more: %v", err)
	}
	var m struct {
		ID            int
		Method        string
		Result, Error json.RawMessage
	}
	if err := json.Unmarshal(line[:len(line)-1], &m); err != nil || m.Error != nil {
		d.t.Fatalf("the browser says %.500s: %v", line, err)
	}
	if m.Method == "Page.loadEventFired" {
		d.loads++
	}
	return m.ID, m.Result
}

func (d *devtools) do(method string, params, result any) {
	d.t.Helper()
	d.asked++
	m := map[string]any{"id": d.asked, "method": method}
	if params != nil {
		m["params"] = params
	}
	if d.session != "" {
		m["sessionId"] = d.session
	}
	b, err := json.Marshal(m)
	if err == nil {
		_, err = d.to.Write(append(b, 0))
	}
	if err != nil {
		d.t.Fatal(err)
	}
	for {
		id, answer := d.read()
		if id != d.asked {
			continue
		}
		if result != nil {
			if err := json.Unmarshal(answer, result); err != nil {
				d.t.Fatal(err)
			}
		}
		return
	}
}

// look opens a page and returns what a picky reader finds there.
func (d *devtools) look(url string) (faults []string) {
	d.t.Helper()
	before := d.loads
	d.do("Page.navigate", map[string]any{"url": url}, nil)
	for d.loads == before {
		d.read()
	}
	var answer struct {
		Result           struct{ Value []string }
		ExceptionDetails json.RawMessage
	}
	d.do("Runtime.evaluate", map[string]any{"expression": picky, "returnByValue": true}, &answer)
	if answer.ExceptionDetails != nil {
		d.t.Fatalf("%s", answer.ExceptionDetails)
	}
	return answer.Result.Value
}

// picky looks for what makes a page hard to read: parts that stick out of it, text that hardly differs from its ground (WCAG asks for
// a contrast of 4.5), names at axes that are tiny, cut off or upon each other, a console whose end is out of sight, and words that a
// narrow column breaks.
const picky = `(() => {
const faults = [], note = s => { if (!faults.includes(s)) faults.push(s) }
const wide = document.documentElement.clientWidth
if (document.documentElement.scrollWidth > wide) note("the page is " + document.documentElement.scrollWidth + " wide")
const rgba = c => { const m = c.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m }
const upon = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1)
const light = c => { const f = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * f[0] + .7152 * f[1] + .0722 * f[2] }
const ground = e => {
	const over = []
	for (; e; e = e.parentElement) { over.push(rgba(getComputedStyle(e).backgroundColor)); if (over.at(-1)[3] == 1) break }
	return over.reverse().reduce((b, a) => upon(a, b), [255, 255, 255, 1])
}
const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
while (words.nextNode()) {
	const e = words.currentNode.parentElement, text = words.currentNode.data.trim()
	if (!text || !e.getClientRects().length || e.closest("svg.lanes, .key i")) continue // whose colours mean something
	const style = getComputedStyle(e), color = rgba(e.ownerSVGElement ? style.fill : style.color), below = ground(e)
	for (let p = e; p; p = p.parentElement) color[3] *= getComputedStyle(p).opacity
	const a = light(upon(color, below)), b = light(below), contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05)
	if (contrast < 4.5) note("contrast " + contrast.toFixed(2) + " of " + e.tagName + "." + e.getAttribute("class") + " " + text.slice(0, 20))
}
for (const svg of document.querySelectorAll("svg.chart")) {
	const all = svg.getBoundingClientRect(), boxes = []
	for (const t of svg.querySelectorAll("text")) {
		const r = t.getBoundingClientRect(), size = parseFloat(getComputedStyle(t).fontSize) * svg.getScreenCTM().a
		if (size < 9.5) note("text of a chart is " + size.toFixed(1) + " px high")
		if (r.left < all.left - 1 || r.right > all.right + 1 || r.bottom > all.bottom + 1) note("cut off in a chart: " + t.textContent)
		for (const [s, q] of boxes) if (r.left < q.right - 1 && q.left < r.right - 1 && r.top < q.bottom - 4 && q.top < r.bottom - 4) note("upon each other: " + s + ", " + t.textContent)
		boxes.push([t.textContent, r])
	}
}
for (const p of document.querySelectorAll("pre.tail")) if (p.firstElementChild.getBoundingClientRect().bottom > p.getBoundingClientRect().bottom) note("the end of a console is out of sight")
for (const c of document.querySelectorAll("td.says")) if (c.clientWidth < 120) note("a column is " + c.clientWidth + " wide")
for (const c of document.querySelectorAll("td.wraps")) for (const part of c.childNodes) {
	const r = document.createRange()
	r.selectNodeContents(part)
	if (/^[\w.]+[:\/]?$/.test(part.data) && r.getClientRects().length > 1) note("a word is broken: " + part.data)
}
return faults
})()`

// TestLooks: pages can be read in the light and in the dark, on a screen and on a phone.
func TestLooks(t *testing.T) {
	browser := chromium(t)
	dir, id := stateDir(t)
	running := New(Config{State: dir, Access: Access{Loopback: true}})
	tell(t, running)
	// A campaign with machines and KCOV, and many on record.
	const umlPath = "uml:/var/tmp/kernels/linux-6.1.176/linux"
	machines := New(Config{State: dir, Access: Access{Loopback: true}})
	events := []campaign.Event{campaign.Start{Campaign: "now", Kernel: "Linux 6.18", Targets: []string{"engine", umlPath}, Seconds: 28800, State: dir}}
	for i := range 200 {
		n := i * 20
		events = append(events, campaign.Progress{Seconds: float64(n), Remaining: 60, Targets: []campaign.Count{
			{Target: "engine", RulesSeen: 112, Verdicts: campaign.Verdicts{Runs: uint64(3000 * n)}}, {Target: umlPath, RulesSeen: 50, BlocksSeen: 12345 + n, Verdicts: campaign.Verdicts{Runs: uint64(12 * n)}}}})
	}
	var console []string
	for i := range 40 {
		console = append(console, fmt.Sprintf("[%5d.000000] line of a console that is longer than a phone is wide", i))
	}
	for _, e := range append(events, campaign.Console{Target: umlPath, Lines: console}, campaign.Skip{Target: umlPath, Scenario: "rseq-configuration", Reason: "it makes the request PTRACE_GET_RSEQ_CONFIGURATION"}) {
		if err := machines.Report(e); err != nil {
			t.Fatal(err)
		}
	}
	past, _ := stateDir(t)
	var records []byte
	for i := range 5 {
		b, err := json.Marshal(campaign.Summary{Targets: []string{"engine", "qemu:ppc64le"}, Scenarios: 12000, Began: time.Date(2026, 11, 20+i, 22, 0, 0, 0, time.UTC), Seconds: 28800,
			PerTarget: []campaign.Count{{Target: "engine", RunsPerSecond: 3100, Rules: rules.Counts{"R30": 7}}, {Target: "qemu:ppc64le", RunsPerSecond: 0.4, Rules: rules.Counts{"R30": 1}}}})
		if err != nil {
			t.Fatal(err)
		}
		records = append(append(records, b...), '\n')
	}
	if err := os.WriteFile(filepath.Join(past, "campaigns.jsonl"), records, 0o644); err != nil {
		t.Fatal(err)
	}
	rested := New(Config{State: past, Access: Access{Loopback: true}})
	d := openDevtools(t, browser)
	for _, screen := range []struct {
		scheme string
		width  int
	}{{"light", 1280}, {"dark", 1280}, {"dark", 390}} {
		d.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": screen.scheme}}}, nil)
		d.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": screen.width, "height": 844, "deviceScaleFactor": 1, "mobile": screen.width < 600}, nil)
		for _, c := range []struct {
			name  string
			s     *Server
			paths []string
		}{{"hostile", running, []string{"/", "/findings", "/findings/" + id, "/targets", "/rules", "/matrix"}}, {"machines", machines, []string{"/", "/targets"}}, {"rested", rested, []string{"/", "/rules"}}} {
			server := httptest.NewServer(c.s.Handler())
			for _, path := range c.paths {
				for _, fault := range d.look(server.URL + path) {
					t.Errorf("%s, %s, %d wide: %s: %s", c.name, screen.scheme, screen.width, path, fault)
				}
			}
			server.Close()
		}
	}
	// The test can fail: this page has every fault.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!DOCTYPE html><body style="background: #fff"><p style="color: #aaa">pale<div style="width: 2000px">x</div>`+
			`<svg class="chart" viewBox="0 0 100 20" width="100" height="20"><text y="9" style="font-size: 8px">one</text><text x="2" y="9" style="font-size: 8px">two</text><text x="99" y="9">three</text></svg>`+
			`<pre class="tail" style="height: 2em; overflow: auto"><span>1<br>2<br>3<br>4<br>5</span></pre><table style="width: 1px"><td class="says">x<td class="wraps" style="overflow-wrap: anywhere">targets</table>`)
	}))
	defer server.Close()
	faults := strings.Join(d.look(server.URL), "\n")
	for _, want := range []string{"the page is", "contrast", "px high", "cut off", "upon each other", "out of sight", "a column is", "a word is broken"} {
		if !strings.Contains(faults, want) {
			t.Errorf("a bad page is not told by %q:\n%s", want, faults)
		}
	}
}
