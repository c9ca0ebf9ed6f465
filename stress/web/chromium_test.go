package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
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

// TestChromium: in a real browser no text runs as a script and nothing is fetched from elsewhere; and that is so because text is
// text, and not because the pages' policy forbids it.
func TestChromium(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	if testing.Short() {
		t.Skip("a browser takes seconds for each page")
	}
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
