package campaign

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"tracehammer/stress/history"
)

// Pages need no scripts, and nothing from elsewhere. What they show is untrusted text: html/template keeps it text.
//
//go:embed pages
var pageFiles embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"printable": history.Printable,
	"clock":     clock,
	"share":     share,
	"short":     short,
	"lower":     strings.ToLower,
	"time":      func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") },
}).ParseFS(pageFiles, "pages/*.html"))

func page(w io.Writer, name string, data any) error {
	if err := pages.ExecuteTemplate(w, name, data); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}
