package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/corpus/golden"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/campaign"
	"tracehammer/stress/history"
	"tracehammer/stress/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hostile is what a kernel, a file or another person may have written where a page shows text. Whatever of it ran as a script, or was
// fetched, would ask owned.example for something.
const hostile = `<script>new Image().src="http://owned.example/1"</script>"><img src=http://owned.example/2>` +
	`<iframe src=http://owned.example/3></iframe><img src=x: onerror="new Image().src='http://owned.example/4'">` +
	`</title></style></pre></textarea>{{.}}<a href="javascript:alert(1)">x</a><svg/onload="new Image().src='http://owned.example/5'">` + "\x1b[31m\u202e\x00"

const scenario = `scenario signalled
rules R30
proc main
proc child of main
thread t of child

child: sigaction SIGUSR1 HANDLER
main:  ptrace SEIZE child TRACEEXEC
main:  kill child SIGUSR1
main:  wait4 child
main:  ptrace CONT child SIGUSR1
child: pause
t:     tkill child SIGUSR2
main:  wait4 child
`

// run is a history of the scenario that has everything that is drawn: calls that others fall into, a handler, a stop and its end, a
// call in flight at the end, and a step that is not admitted.
func run(t testing.TB) (*corpus.Scenario, *history.History, *crashers.Place) {
	s, p := corpustest.Lower(t, scenario)
	at := func(actor, call string) int32 { return corpustest.Calls(t, s, p, actor, call)[0] }
	last := func(actor, call string) int32 {
		all := corpustest.Calls(t, s, p, actor, call)
		return all[len(all)-1]
	}
	call := func(instr int32, begin, end uint64, res engine.Result) history.Entry {
		return history.Entry{Kind: history.Call, Instr: instr, Done: end > 0, Begin: begin, End: end, Res: res}
	}
	ok := engine.Result{}
	h := &history.History{Target: "host", Kernel: "Linux 6.18.44", Arch: "amd64", Run: 3, Cut: 40, Outcome: history.Stuck, Elapsed: 312 * time.Millisecond,
		Console: []string{"[    1.0] " + hostile},
		Hang:    &history.Snapshot{Threads: []history.Thread{{Actor: 1, Tid: 102, State: 'S', Wchan: hostile, Syscall: hostile, Stack: []string{hostile}, TracerPid: 101}}},
		Actors: []history.Actor{
			{Tid: 101, Parked: true, Entries: []history.Entry{
				call(at("main", "fork child"), 1, 2, engine.Result{Ret: 102}),
				call(at("main", "ptrace SEIZE child TRACEEXEC"), 3, 5, ok),
				call(at("main", "kill child SIGUSR1"), 8, 9, ok),
				call(at("main", "wait4 child"), 10, 13, engine.Result{Ret: 102, Out: [3]int64{0x0a7f}}),
				call(at("main", "ptrace CONT child SIGUSR1"), 14, 15, ok),
				call(last("main", "wait4 child"), 18, 22, engine.Result{Ret: 102, Out: [3]int64{0x057f}}),
			}},
			{Tid: 102, Entries: []history.Entry{
				call(at("child", "clone t THREAD"), 4, 6, engine.Result{Ret: 103}),
				call(at("child", "sigaction SIGUSR1 HANDLER"), 7, 11, ok),
				call(at("child", "pause"), 16, 0, ok),
				{Kind: history.Handler, Done: true, Begin: 17, Res: engine.Result{Out: [3]int64{10, 0, 101}}},
			}, Final: &history.Final{State: 'S', TracerPid: 101}},
			{Tid: 103, Entries: []history.Entry{call(at("t", "tkill child SIGUSR2"), 19, 20, ok)}, Parked: true},
		}}
	return s, h, &crashers.Place{Actor: 0, Entry: 5, Event: crashers.Ended, Allowed: []string{"wait4 child = child stopped SIGUSR2", hostile}}
}

// stateDir makes a state directory with a finding, all of whose texts are hostile, and a matrix.
func stateDir(t testing.TB) (dir, id string) {
	dir = t.TempDir()
	store, err := crashers.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, h, at := run(t)
	c := &crashers.Crasher{
		Meta: crashers.Meta{Kind: crashers.NotAdmitted, Title: "not-admitted: " + hostile, Rules: []int{30}, Signature: "s", Coarse: "c", Target: hostile, Kernel: hostile,
			Arch: hostile, Ops: 8, Hits: 3, Runs: 10, Command: hostile, At: at},
		Scenario: append(s.Print(), []byte("# "+strings.ReplaceAll(hostile, "\x00", "")+"\n")...), Plan: stress.Plan{Repeat: 1}, History: h, Explanation: hostile,
		Report: []byte(hostile), Repro: []byte("/* " + hostile + " */\nint main(void) { return 0; }\n"),
	}
	if _, err := store.Put(c, time.Date(2026, 11, 1, 2, 3, 4, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	m := campaign.Matrix{Reference: hostile, Targets: []campaign.MatrixTarget{{Name: hostile, Kernel: hostile, Profile: []string{hostile}}, {Name: "b", Cannot: hostile}},
		Rows:     []campaign.MatrixRow{{Scenario: hostile, Cells: []campaign.MatrixCell{{Checked: campaign.Checked{Problems: []string{hostile}}}, {Checked: campaign.Checked{Skipped: hostile}}}}},
		Features: map[string]string{hostile: hostile}}
	write(t, filepath.Join(dir, "matrix.json"), m)
	write(t, filepath.Join(dir, "campaigns.jsonl"), campaign.Summary{Targets: []string{hostile}, Scenarios: 12, Interrupted: hostile, Began: time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC), Seconds: 60,
		Canary: &campaign.Canary{Bug: hostile, Found: true}, Verdicts: campaign.Verdicts{Runs: 12},
		PerTarget: []campaign.Count{{Target: hostile, Operations: 30, Verdicts: campaign.Verdicts{Runs: 12, Unknown: 1}, Rules: rules.Counts{"R30": 7, hostile: 1}}}})
	return dir, c.ID
}

func write(t testing.TB, name string, v any) {
	b, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(name, append(b, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// live has a server told of a campaign, whose every text is hostile.
func tell(t testing.TB, s *Server) {
	for _, e := range []campaign.Event{
		campaign.Start{Campaign: "now", Kernel: hostile, Targets: []string{hostile, "host"}, Seconds: 100, State: hostile},
		campaign.Skip{Target: hostile, Scenario: hostile, Reason: hostile},
		campaign.Lost{Target: hostile, Scenario: hostile, How: hostile},
		campaign.Console{Target: hostile, Lines: []string{hostile, hostile}},
		campaign.Found{Title: hostile, Target: hostile},
		campaign.Progress{Seconds: 1, Remaining: 99, NewsSeconds: -1, Targets: []campaign.Count{{Target: hostile}, {Target: "host"}}},
		campaign.Progress{Seconds: 5, Remaining: 95, Outcomes: 3, NewsSeconds: 1, Findings: 1, NewFindings: 1, Minimising: 2, Targets: []campaign.Count{
			{Target: hostile, Operations: 100, RunsPerSecond: 20, RulesSeen: 9, BlocksSeen: 4, Boots: 2, Restores: 1, Lost: 1, Verdicts: campaign.Verdicts{Runs: 50, Unknown: 2, Hangs: 1}},
			{Target: "host", Verdicts: campaign.Verdicts{Runs: 7}}}},
	} {
		if err := s.Report(e); err != nil {
			t.Fatal(err)
		}
	}
}

// get asks a server as a browser on this machine does; headers are names and values in turn.
func get(h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://localhost:7420"+path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var paths = []string{"/", "/findings", "/findings?state=new", "/targets", "/rules", "/matrix"}

// TestHostile: whatever a text is, it stays text on every page.
func TestHostile(t *testing.T) {
	dir, id := stateDir(t)
	s := New(Config{State: dir, Access: Access{Loopback: true}, Version: "v"})
	look := func(path string) {
		w := get(s.Handler(), path)
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d\n%s", path, w.Code, w.Body)
		}
		text := strings.ToLower(w.Body.String())
		for _, bad := range []string{"<script", "<img", "<svg/", "<iframe", "javascript:alert(1)\"", "\x1b", "\u202e", "\x00", "</style"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %q", path, bad)
			}
		}
		if strings.Contains(text, "zgotmplz") {
			t.Errorf("%s has something that the template refused", path)
		}
	}
	for _, path := range append(paths, "/findings/"+id) {
		look(path)
	}
	tell(t, s)
	for _, path := range paths {
		look(path)
	}
	if err := s.Report(campaign.Summary{Interrupted: hostile, Canary: &campaign.Canary{Bug: hostile}}); err != nil {
		t.Fatal(err)
	}
	look("/")
	w := get(s.Handler(), "/findings/"+id)
	golden.Check(t, "testdata/finding.html", strings.NewReplacer(dir, "STATE", crashers.Program(), "stressd", style, "/style.css").Replace(w.Body.String()))
}

// TestDownloads: files are handed out as files, under names that are made of the ID alone.
func TestDownloads(t *testing.T) {
	dir, id := stateDir(t)
	s := New(Config{State: dir, Access: Access{Loopback: true}})
	for path, name := range map[string]string{"repro.c": "repro-" + id + ".c", "scenario.scn": id + ".scn"} {
		w := get(s.Handler(), "/findings/"+id[:6]+"/"+path)
		if w.Code != http.StatusOK || w.Header().Get("Content-Disposition") != `attachment; filename="`+name+`"` || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if !strings.Contains(w.Body.String(), "<script>") {
			t.Errorf("%s is not as it was filed", path)
		}
	}
}

// TestTraversal: nothing but an ID gets to the file system.
func TestTraversal(t *testing.T) {
	dir, id := stateDir(t)
	secret := filepath.Join(filepath.Dir(dir), "secret")
	if err := os.WriteFile(secret, []byte("SECRET"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(dir), filepath.Join(dir, "crashers", "aaaaaaaaaaaa")); err != nil {
		t.Fatal(err)
	}
	s := New(Config{State: dir, Access: Access{Loopback: true}})
	for _, path := range []string{"/findings/..", "/findings/../../secret", "/findings/..%2f..%2fsecret", "/findings/%2e%2e%2f%2e%2e%2fsecret/repro.c", "/findings/" + id + "/..%2f..%2f..%2fsecret",
		"/findings/" + id + "/meta.json", "/findings/aaaaaaaaaaaa", "/findings/%00", "/findings/" + id + "%00", "/findings/%ff", "/findings/" + strings.Repeat("a", 5000), "/pages/style.css", "/findings/.",
		"//evil.example/", "/findings/*", "/campaigns.jsonl", "/style.css/..%2f..%2fguard.go"} {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/", nil)
		var err error
		if r.URL, err = url.ParseRequestURI(path); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code == http.StatusOK || strings.Contains(w.Body.String(), "SECRET") || strings.Contains(w.Body.String(), "package web") {
			t.Errorf("%s: %d\n%.200s", path, w.Code, w.Body)
		}
		if to := w.Header().Get("Location"); strings.HasPrefix(to, "//") || strings.Contains(to, "evil") && !strings.HasPrefix(to, "/") {
			t.Errorf("%s leads to %s", path, to)
		}
	}
}

// TestMethods: nothing but reading is answered.
func TestMethods(t *testing.T) {
	dir, id := stateDir(t)
	s := New(Config{State: dir, Access: Access{Loopback: true}})
	for _, m := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", ""} {
		for _, path := range []string{"/", "/findings/" + id, "/style.css", "/metrics", "/nowhere"} {
			r := httptest.NewRequest("GET", "http://localhost"+path, strings.NewReader("x"))
			r.Method = m
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%q %s: %d %v", m, path, w.Code, w.Header())
			}
		}
	}
	r := httptest.NewRequest(http.MethodHead, "http://localhost/", nil)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("HEAD: %d", w.Code)
	}
}

// TestHost: on a loopback address, who asks by another name was led here.
func TestHost(t *testing.T) {
	dir, _ := stateDir(t)
	ask := func(s *Server, host string) int {
		r := httptest.NewRequest("GET", "http://localhost/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w.Code
	}
	s := New(Config{State: dir, Access: Access{Loopback: true}})
	for host, want := range map[string]int{"localhost": 200, "localhost:7420": 200, "LOCALHOST:1": 200, "127.0.0.1:7420": 200, "127.8.9.1": 200, "[::1]:7420": 200, "[::1]": 200,
		"evil.example": 421, "evil.example:7420": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example:7420": 421, "": 421, "10.0.0.1": 421, "0.0.0.0": 421, "localhost:7420@evil": 421, "[::2]:7420": 421} {
		if got := ask(s, host); got != want {
			t.Errorf("Host %q: %d, want %d", host, got, want)
		}
	}
	if got := ask(New(Config{State: dir, Access: Access{Token: "0123456789abcdef"}}), "fuzzhost.example"); got != http.StatusUnauthorized {
		t.Errorf("elsewhere a host may have any name: %d", got)
	}
}

// TestCrossSite: another site's page may lead its reader here, and that is all.
func TestCrossSite(t *testing.T) {
	dir, _ := stateDir(t)
	s := New(Config{State: dir, Access: Access{Loopback: true}})
	for _, c := range []struct {
		headers []string
		want    int
	}{
		{nil, 200},
		{[]string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200},
		{[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "style"}, 200},
		{[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200},
		{[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, 403},
		{[]string{"Origin", "http://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", "http://localhost:9"}, 403},
		{[]string{"Origin", "http://localhost:7420"}, 200},
	} {
		for _, path := range []string{"/", "/metrics", "/style.css"} {
			if w := get(s.Handler(), path, c.headers...); w.Code != c.want {
				t.Errorf("%s %v: %d, want %d", path, c.headers, w.Code, c.want)
			}
		}
	}
}

// TestToken: without the token there is nothing to see, and it stands nowhere.
func TestToken(t *testing.T) {
	const token = "correct-horse-battery-staple"
	dir, id := stateDir(t)
	s := New(Config{State: dir, Access: Access{Token: token}})
	other := New(Config{State: dir, Access: Access{Token: token + "2"}})
	all := append([]string{"/findings/" + id, "/findings/" + id + "/repro.c", "/metrics", "/nowhere"}, paths...)
	refused := func(path string, headers ...string) {
		t.Helper()
		w := get(s.Handler(), path, headers...)
		if w.Code != http.StatusUnauthorized || len(w.Result().Cookies()) > 0 || strings.Contains(w.Body.String(), id) || strings.Contains(w.Body.String(), token) {
			t.Errorf("%s %v: %d %v", path, headers, w.Code, w.Header())
		}
	}
	first := get(other.Handler(), "/?token="+token+"2").Result().Cookies()[0]
	for _, path := range all {
		ask := path + "?"
		if strings.Contains(path, "?") {
			ask = path + "&"
		}
		refused(path)
		refused(ask+"token=", "Authorization", "Bearer "+token) // an empty token does not get round the header
		refused(ask + "token=" + token[:len(token)-1])
		refused(ask + "token=" + token + "x")
		refused(ask + "token=wrong&token=" + token)
		refused(path, "Authorization", "Bearer "+token+"x")
		refused(path, "Authorization", "Bearer ")
		refused(path, "Authorization", "Basic "+token)
		refused(path, "Cookie", cookieName+"="+token)
		refused(path, "Cookie", cookieName+"="+first.Value)
		refused(path, "Cookie", cookieName+"=")
	}
	for path, want := range map[string]string{"/": "/", "/findings?state=new": "/findings?state=new", "//evil.example/": "/"} {
		r := httptest.NewRequest(http.MethodGet, "http://h/", nil)
		at, query, _ := strings.Cut(path, "?")
		r.URL = &url.URL{Path: at, RawQuery: strings.TrimPrefix(query+"&token="+token, "&")}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != want {
			t.Errorf("%s leads to %q, %d", path, to, w.Code)
		}
		cs := w.Result().Cookies()
		if len(cs) != 1 || !cs[0].HttpOnly || cs[0].SameSite != http.SameSiteStrictMode || strings.Contains(cs[0].Value, token) {
			t.Fatalf("%s: cookies %v", path, cs)
		}
		for _, path := range all {
			w := get(s.Handler(), path, "Cookie", cs[0].Name+"="+cs[0].Value)
			if w.Code == http.StatusUnauthorized || strings.Contains(w.Body.String(), token) || strings.Contains(w.Body.String(), "token=") {
				t.Errorf("%s with the cookie: %d", path, w.Code)
			}
		}
	}
	if w := get(s.Handler(), "/metrics", "Authorization", "Bearer "+token); w.Code != http.StatusOK {
		t.Errorf("a program with the token: %d", w.Code)
	}
	if w := get(s.Handler(), "/style.css"); w.Code != http.StatusOK {
		t.Errorf("the page that asks for the token has a style sheet: %d", w.Code)
	}
	if a, b := NewToken(), NewToken(); a == b || len(a) < 40 {
		t.Errorf("tokens %s, %s", a, b)
	}
}

// TestReadToken: a token is read from a file that is one's own, and long enough.
func TestReadToken(t *testing.T) {
	name := filepath.Join(t.TempDir(), "token")
	for _, c := range []struct {
		text string
		mode os.FileMode
		want string
	}{{"0123456789abcdef\n", 0o600, "0123456789abcdef"}, {"0123456789abcdef", 0o644, ""}, {"short", 0o600, ""}, {"", 0o600, ""}} {
		if err := os.WriteFile(name, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, c.mode); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadToken(name); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q %o: %q, %v", c.text, c.mode, got, err)
		}
	}
	if _, err := ReadToken(t.TempDir()); err == nil {
		t.Error("a directory is a token")
	}
}

// TestHeaders: every answer forbids what pages do not need, refusals and downloads as well.
func TestHeaders(t *testing.T) {
	dir, id := stateDir(t)
	s := New(Config{State: dir, Access: Access{Loopback: true}})
	locked := New(Config{State: dir, Access: Access{Token: "0123456789abcdef"}})
	for _, w := range []*httptest.ResponseRecorder{get(s.Handler(), "/"), get(s.Handler(), "/findings/"+id), get(s.Handler(), "/findings/"+id+"/repro.c"), get(s.Handler(), "/metrics"), get(s.Handler(), "/nowhere"),
		get(s.Handler(), "/style.css"), get(s.Handler(), "/favicon.svg"), get(s.Handler(), "/", "Origin", "http://evil.example"), get(locked.Handler(), "/")} {
		h := w.Header()
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "style-src 'self'", "img-src 'self'", "base-uri 'none'", "frame-ancestors 'none'", "form-action '"} {
			if !strings.Contains(csp, want) {
				t.Errorf("policy %q lacks %q", csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" ||
			h.Get("Cross-Origin-Resource-Policy") != "same-origin" || h.Get("Content-Type") == "" {
			t.Errorf("headers %v", h)
		}
	}
}

// TestNothingThere: a state directory that is not there, not readable, or of something else is told, and is no panic.
func TestNothingThere(t *testing.T) {
	s := New(Config{State: filepath.Join(t.TempDir(), "none"), Access: Access{Loopback: true}})
	for _, path := range append(paths, "/findings/abc", "/metrics") {
		if w := get(s.Handler(), path); w.Code >= 500 && !strings.Contains(w.Body.String(), "matrix") || w.Body.Len() == 0 {
			t.Errorf("%s: %d\n%s", path, w.Code, w.Body)
		}
	}
	tell(t, s) // a campaign that has not come to make it
	if w := get(s.Handler(), "/"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Racing ptrace") {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
}

// TestServe: a server answers, and ends with its context.
func TestServe(t *testing.T) {
	dir, id := stateDir(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if !IsLoopback(l) {
		t.Error("127.0.0.1 is no loopback address")
	}
	s := New(Config{State: dir, Access: Access{Loopback: true}})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	client := &http.Client{Transport: &http.Transport{}}
	res, err := client.Get("http://" + l.Addr().String() + "/findings")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || !bytes.Contains(body, []byte(id)) {
		t.Errorf("%v\n%s", err, body)
	}
	res.Body.Close()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	client.CloseIdleConnections()
	if _, err := client.Get("http://" + l.Addr().String()); err == nil {
		t.Error("it answers when it has ended")
	}
}

// TestSamples: however long a campaign is, it is remembered in bounded space, from its beginning to its end.
func TestSamples(t *testing.T) {
	var s Server
	if err := s.Report(campaign.Start{Targets: []string{"engine"}}); err != nil {
		t.Fatal(err)
	}
	const weeks = 3 * 7 * 24 * 3600
	for at := 0.0; at < weeks; at += 30 {
		if err := s.Report(campaign.Progress{Seconds: at, Targets: []campaign.Count{{Target: "engine", Verdicts: campaign.Verdicts{Runs: uint64(at)}}}}); err != nil {
			t.Fatal(err)
		}
	}
	v := s.live.view()
	n := len(v.samples)
	if n > maxSamples || n < maxSamples/2 || v.samples[0].seconds != 0 || v.samples[n-1].seconds < weeks-2*s.live.every-30 {
		t.Fatalf("%d samples, from %v to %v, %v s apart", n, v.samples[0].seconds, v.samples[n-1].seconds, s.live.every)
	}
	for i := range n - 1 {
		if v.samples[i+1].seconds <= v.samples[i].seconds {
			t.Fatalf("samples %d and %d are not in order", i, i+1)
		}
	}
	for range 10 * maxTold {
		if err := s.Report(campaign.Lost{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.live.view().Lost); n > 2*maxTold || n < maxTold {
		t.Errorf("%d losses are remembered", n)
	}
}

// TestHold: the pages of a campaign that runs ask again, unless they are held.
func TestHold(t *testing.T) {
	s := New(Config{State: t.TempDir(), Access: Access{Loopback: true}})
	tell(t, s)
	for _, path := range []string{"/", "/targets"} {
		for query, want := range map[string]bool{"": true, "?refresh=0": false} {
			if body := get(s.Handler(), path+query).Body.String(); strings.Contains(body, `http-equiv="refresh"`) != want || strings.Contains(body, "is held") == want {
				t.Errorf("%s%s asks again: %v, want %v", path, query, !want, want)
			}
		}
	}
}

// TestRates: a machine that tells of its runs by batches has the rate of some seconds, and does not go to and fro.
func TestRates(t *testing.T) {
	var s Server
	if err := s.Report(campaign.Start{Targets: []string{"uml"}}); err != nil {
		t.Fatal(err)
	}
	for at := range 120 {
		runs := uint64(at/4) * 40
		if err := s.Report(campaign.Progress{Seconds: float64(at), Targets: []campaign.Count{{Target: "uml", Verdicts: campaign.Verdicts{Runs: runs}}}}); err != nil {
			t.Fatal(err)
		}
	}
	v := s.live.view()
	for _, p := range v.rates(0) {
		if p.x > rateWindow && (p.y < 7 || p.y > 13) {
			t.Errorf("10 runs a second are %v at %v s", p.y, p.x)
		}
	}
}

// TestColors: a target has one colour in all charts, those too that not all targets are in; and lines end where the campaign is.
func TestColors(t *testing.T) {
	var s Server
	if err := s.Report(campaign.Start{Targets: []string{"engine", "uml"}}); err != nil {
		t.Fatal(err)
	}
	for _, at := range []float64{1, 2, 2.5} {
		if err := s.Report(campaign.Progress{Seconds: at, Findings: int(2 * at), Targets: []campaign.Count{{Target: "engine"}, {Target: "uml", BlocksSeen: 40}}}); err != nil {
			t.Fatal(err)
		}
	}
	v := s.live.view()
	charts := v.charts()
	if len(charts) != 4 {
		t.Fatalf("%d charts", len(charts))
	}
	if blocks, rules := charts[2].Legend, charts[1].Legend; len(blocks) != 1 || blocks[0] != (Legend{"uml", rules[1].Class, "40"}) {
		t.Errorf("of blocks %v, of rules %v", blocks, rules)
	}
	if found := charts[3].Legend; found[0].Now != "5" {
		t.Errorf("the line of findings ends with %v", found)
	}
}

// TestTicks: ticks of an axis are round numbers and say their unit.
func TestTicks(t *testing.T) {
	for _, c := range []struct {
		span       float64
		step, name string
	}{{4, "1 s", "4 s"}, {43, "10 s", "40 s"}, {129, "30 s", "2 min"}, {600, "2 min", "10 min"}, {3613, "15 min", "1 h"}, {5400, "30 min", "1:30 h"}, {28800, "2 h", "8 h"}, {200000, "12 h", "2 d"}, {3000000, "10 d", "30 d"}} {
		step := timeStep(c.span / maxTicks)
		if last := math.Floor(c.span/step) * step; clock(step) != c.step || clock(last) != c.name {
			t.Errorf("%v s: each %s to %s, want each %s to %s", c.span, clock(step), clock(last), c.step, c.name)
		}
	}
	for least, want := range map[float64]float64{0.2: 1, 1.2: 2, 3.8: 5, 11: 20} {
		if got := wholeStep(least); got != want {
			t.Errorf("a step of %v or more is %v, want %v", least, got, want)
		}
	}
	c := chart{title: "t", xName: func(x float64) string { return strconv.Itoa(int(x)) }, xStep: wholeStep, yName: count, lines: []series{{points: []point{{0, 1}, {19, 2}}}}}
	svg := string(c.draw().SVG)
	for _, want := range []string{">0<", ">5<", ">10<", ">15<"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no tick %s:\n%s", want, svg)
		}
	}
}

var metricName = regexp.MustCompile(`\b(?:tracehammer|process|go)_[a-z_]+\b`)

// TestMetrics: what is counted is what campaigns on record and the one that runs did, and the dashboard asks for nothing else.
func TestMetrics(t *testing.T) {
	dir, _ := stateDir(t)
	s := New(Config{State: dir, Access: Access{Loopback: true}, Version: "v1"})
	tell(t, s)
	text := get(s.Handler(), "/metrics").Body.String()
	for _, want := range []string{`tracehammer_findings{state="new"} 1`, `tracehammer_campaign_running 1`, `tracehammer_campaigns_total 1`, `tracehammer_campaign_seconds 5`,
		`tracehammer_campaign_remaining_seconds 95`, `tracehammer_outcomes 3`, `tracehammer_minimising 2`, `tracehammer_canary_seen 1`, `tracehammer_build_info{version="v1"} 1`,
		`tracehammer_runs_total{target="host"} 7`, `tracehammer_state_unreadable 0`} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	// Twelve on record and fifty of the campaign that runs.
	if !regexp.MustCompile(`(?m)^tracehammer_runs_total\{target="<script.*\} 62$`).MatchString(text) || !regexp.MustCompile(`(?m)^tracehammer_operations_total\{target=.*\} 130$`).MatchString(text) {
		t.Errorf("runs on record are not added:\n%s", text)
	}
	offered := map[string]bool{}
	for _, name := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(text, -1) {
		offered[name[1]] = true
	}
	data, err := os.ReadFile("../../docs/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dash struct {
		Title  string
		Panels []struct {
			ID      int
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &dash); err != nil {
		t.Fatal(err)
	}
	asked, ids := map[string]bool{}, map[int]bool{}
	for _, p := range dash.Panels {
		if ids[p.ID] || len(p.Targets) == 0 {
			t.Errorf("panel %d comes twice, or shows nothing", p.ID)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			names := metricName.FindAllString(q.Expr, -1)
			if len(names) == 0 {
				t.Errorf("panel %d asks for no metric: %s", p.ID, q.Expr)
			}
			for _, n := range names {
				asked[n] = true
				if !offered[n] {
					t.Errorf("panel %d asks for %s, which is not there", p.ID, n)
				}
			}
		}
	}
	if len(asked) < 15 {
		t.Errorf("the dashboard asks for %d metrics", len(asked))
	}
	docs, err := os.ReadFile("../../docs/web.md")
	if err != nil {
		t.Fatal(err)
	}
	for n := range offered {
		if strings.HasPrefix(n, "tracehammer_") && !bytes.Contains(docs, []byte("`"+n+"`")) {
			t.Errorf("docs/web.md does not name %s", n)
		}
	}
	for _, n := range metricName.FindAllString(string(docs), -1) {
		if !offered[n] {
			t.Errorf("docs/web.md names %s, which is not there", n)
		}
	}
}

// TestHealthMarks: what was skipped or broken off is no success, and has no tick.
func TestHealthMarks(t *testing.T) {
	for _, c := range []struct {
		summary campaign.Summary
		want    []healthMark
	}{
		{campaign.Summary{Canary: &campaign.Canary{Found: true}}, []healthMark{markFine}},
		{campaign.Summary{Canary: &campaign.Canary{}, Skipped: 3, Interrupted: "SIGTERM"}, []healthMark{markNoted, markNoted, markNoted}},
		{campaign.Summary{Canary: &campaign.Canary{Seconds: math.MaxFloat64}}, []healthMark{markBad}},
		{campaign.Summary{}, []healthMark{markBad}},
	} {
		var p overviewPage
		p.resting([]campaign.Summary{c.summary}, nil)
		var got []healthMark
		for _, h := range p.Health {
			got = append(got, h.Mark)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("marks of %+v are %v, want %v", p.Health, got, c.want)
		}
	}
}
