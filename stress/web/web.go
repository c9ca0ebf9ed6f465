package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"strings"
	"time"

	"tracehammer/crashers"
	"tracehammer/stress/history"
)

// Config says what a Server shows, and to whom.
type Config struct {
	State   string // the state directory; it may be made later
	Access  Access
	Version string // of this program
}

// Server serves the pages of a state directory.
type Server struct {
	Config
	handler http.Handler
	live    live
	cache   cache
	busy    chan struct{} // held by requests that draw a finding
}

// drawing is how many findings are drawn at a time: a history may be large.
const drawing = 2

// New returns a server that listens nowhere yet.
func New(cfg Config) *Server {
	s := &Server{Config: cfg, busy: make(chan struct{}, drawing)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page("overview.html", s.overview))
	mux.HandleFunc("GET /findings", s.page("findings.html", s.findings))
	mux.HandleFunc("GET /findings/{id}", s.page("finding.html", s.finding))
	mux.HandleFunc("GET /findings/{id}/repro.c", s.reproducer)
	mux.HandleFunc("GET /findings/{id}/scenario.scn", s.scenario)
	mux.HandleFunc("GET /targets", s.page("targets.html", s.targets))
	mux.HandleFunc("GET /rules", s.page("rules.html", s.rules))
	mux.HandleFunc("GET /matrix", s.page("matrix.html", s.matrix))
	mux.Handle("GET /metrics", s.metrics())
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { s.problem(w, &notFound{"there is no such page"}) })
	mux.HandleFunc("GET /style.css", file("style.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /favicon.svg", file("favicon.svg", "image/svg+xml"))
	s.handler = cfg.Access.guard(mux)
	return s
}

// Handler answers requests.
func (s *Server) Handler() http.Handler { return s.handler }

// Bounds of a request. Pages are made in milliseconds; who reads slowly gets a minute.
const (
	headerTime = 10 * time.Second
	answerTime = time.Minute
	idleTime   = 2 * time.Minute
	maxHeader  = 16 << 10
	byeTime    = 2 * time.Second
)

// Serve answers on l until ctx is done, and gives those who read then a moment.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{Handler: s.handler, ReadHeaderTimeout: headerTime, ReadTimeout: headerTime, WriteTimeout: answerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader}
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve pages on %v: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	bye, cancel := context.WithTimeout(context.Background(), byeTime)
	defer cancel()
	if h.Shutdown(bye) != nil {
		h.Close() //nolint:errcheck // it ends what did not end by itself
	}
	<-ended
	return nil
}

// What pages are made of. html/template keeps text text, whatever it is.
//
//go:embed pages
var pageFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"printable": history.Printable,
	"time":      func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") },
	"since":     since,
	"count":     func(n any) string { return count(toFloat(n)) },
	"share":     func(part, whole uint64) string { return share(part, whole) },
	"breakable": breakable,
	"style":     func() string { return style },
	"tab":       func(here, page, href, name string) tab { return tab{name, href, here == page} },
}).ParseFS(pageFiles, "pages/*.html"))

// breakable is text that may go on in another line where people would break it: targets are named after paths, requests in one word.
func breakable(text string) template.HTML {
	return template.HTML(breaks.Replace(template.HTMLEscapeString(text))) // escapes have none of these
}

var breaks = strings.NewReplacer(":", ":<wbr>", "/", "/<wbr>", "_", "_<wbr>")

func toFloat(n any) float64 {
	switch n := n.(type) {
	case int:
		return float64(n)
	case uint64:
		return float64(n)
	case float64:
		return n
	}
	panic(fmt.Sprintf("count of a %T", n))
}

// share is a part of a whole in percent.
func share(part, whole uint64) string {
	if whole == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.2g %%", 100*float64(part)/float64(whole))
}

// frame is what every page has around its own data.
type frame struct {
	Title   string
	Here    string // which of the pages in the bar it is
	Refresh int    // seconds after which a browser asks again; 0: it does not
	Held    bool   // it would, but was told not to
	Running bool
	// Elsewhere says that another process runs the campaign.
	Elsewhere bool
	Kernel    string
	Version   string
	Page      any
}

// follow has a browser ask again while a campaign runs, unless it asked for a page that stays as it is.
func (f *frame) follow(r *http.Request, v *liveView) {
	if !v.Running() {
		return
	}
	if f.Held = r.URL.Query().Get("refresh") == "0"; !f.Held {
		f.Refresh = refresh
	}
}

// style is where the style sheet is. The address changes with what it says: browsers keep it.
var style = func() string {
	data, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		panic(err) // it is embedded
	}
	return fmt.Sprintf("/style.css?%x", sha256.Sum256(data))[:len("/style.css?")+12]
}()

// tab is a page in the bar.
type tab struct {
	Name, Href string
	Is         bool // it is this one
}

// notFound is the error of what is not there.
type notFound struct{ what string }

func (e *notFound) Error() string { return e.what }

// page serves what make returns within a template.
func (s *Server) page(name string, make func(*http.Request) (frame, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, err := make(r)
		if err != nil {
			s.problem(w, err)
			return
		}
		f.Version = s.Version
		v := s.campaign()
		f.Running, f.Elsewhere = v.Running(), v.Elsewhere
		s.write(w, http.StatusOK, name, f)
	}
}

// write sends a page, which is whole before the first byte goes.
func (s *Server) write(w http.ResponseWriter, code int, name string, data any) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		fail(w, http.StatusInternalServerError, "the page cannot be made: "+history.Printable(err.Error()))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	w.Write(b.Bytes()) //nolint:errcheck // who does not read it does not want it
}

// problem says on a page why there is no other.
func (s *Server) problem(w http.ResponseWriter, err error) {
	code, title := http.StatusInternalServerError, "That did not work"
	var nf *notFound
	var none *crashers.NotFoundError
	if errors.As(err, &nf) || errors.As(err, &none) {
		code, title = http.StatusNotFound, "Not found"
	}
	s.write(w, code, "problem.html", frame{Title: title, Version: s.Version, Page: history.Printable(err.Error())})
}

// askToken answers with the page that asks for the token.
func askToken(w http.ResponseWriter, problem string) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, "token.html", frame{Title: "Token", Page: problem}); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Security-Policy", policy("'self'"))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusUnauthorized)
	w.Write(b.Bytes()) //nolint:errcheck // who does not read it does not want it
}

// file serves a file of the program's own.
func file(name, kind string) http.HandlerFunc {
	data, err := pageFiles.ReadFile("pages/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "max-age=3600")
		w.Write(data) //nolint:errcheck // who does not read it does not want it
	}
}
