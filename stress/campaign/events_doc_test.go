package campaign

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	eventsDoc  = "../../docs/events.md"
	eventsMark = "<!-- From here on written by: go test ./stress/campaign -run TestEventsDocument -update -->\n"
)

// Every event and every field is in the document, with what the source says of it.
func TestEventsDocument(t *testing.T) {
	text, err := os.ReadFile(eventsDoc)
	if err != nil {
		t.Fatal(err)
	}
	head, tail, ok := strings.Cut(string(text), eventsMark)
	if !ok {
		t.Fatalf("%s has no line %q", eventsDoc, eventsMark)
	}
	want := readSources(t).document()
	if *update {
		if err := os.WriteFile(eventsDoc, []byte(head+eventsMark+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if tail != want {
		t.Errorf("%s is not what the source says: go test ./stress/campaign -run TestEventsDocument -update", eventsDoc)
	}
	if !strings.Contains(head, fmt.Sprintf("version %d", Schema)) {
		t.Errorf("%s does not name version %d of the schema", eventsDoc, Schema)
	}
}

// The document can be trusted: what a campaign writes has no field that is not in it.
func TestEventsHaveNoOtherFields(t *testing.T) {
	src := readSources(t)
	for _, e := range []Event{Start{}, Progress{}, Skip{}, Kept{}, Lost{}, Dropped{}, Found{}, Ran{}, Summary{}, &RunStatus{}} {
		typ := reflect.Indirect(reflect.ValueOf(e)).Type()
		var have []string
		for _, f := range src.fields("campaign", typ.Name()) {
			have = append(have, f.json)
		}
		for _, f := range reflect.VisibleFields(typ) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.IsExported() && !f.Anonymous && name != "-" && !slices.Contains(have, name) {
				t.Errorf("event %s: field %s is not documented", e.EventName(), f.Name)
			}
		}
	}
}

// sources are the structs of the module, with their comments, by package and name.
type sources struct {
	types  map[string]*ast.TypeSpec
	docs   map[string]string
	events map[string]string // name of an event: its type
}

type docField struct{ json, kind, doc string }

func readSources(t *testing.T) *sources {
	t.Helper()
	s := &sources{types: map[string]*ast.TypeSpec{}, docs: map[string]string{}, events: map[string]string{}}
	for _, root := range []string{"..", "../../crashers", "../../vm", "../../engine"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			s.read(f)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *sources) read(f *ast.File) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if ts, ok := spec.(*ast.TypeSpec); ok {
					name := f.Name.Name + "." + ts.Name.Name
					s.types[name] = ts
					s.docs[name] = oneSpace(ts.Doc.Text())
					if ts.Doc == nil {
						s.docs[name] = oneSpace(d.Doc.Text())
					}
				}
			}
		case *ast.FuncDecl:
			if d.Name.Name != "EventName" || d.Recv == nil || d.Body == nil || f.Name.Name != "campaign" {
				continue
			}
			typ := d.Recv.List[0].Type
			if p, ok := typ.(*ast.StarExpr); ok {
				typ = p.X
			}
			if r, ok := d.Body.List[0].(*ast.ReturnStmt); ok {
				if lit, ok := r.Results[0].(*ast.BasicLit); ok {
					name, _ := strconv.Unquote(lit.Value)
					s.events[name] = typ.(*ast.Ident).Name
				}
			}
		}
	}
}

func oneSpace(s string) string { return strings.Join(strings.Fields(s), " ") }

// fields are those of a struct as JSON has them; an embedded struct's are its own.
func (s *sources) fields(pkg, name string) (all []docField) {
	ts := s.types[pkg+"."+name]
	if ts == nil {
		return nil
	}
	st, ok := ts.Type.(*ast.StructType)
	if !ok {
		return nil
	}
	for _, f := range st.Fields.List {
		tag := ""
		if f.Tag != nil {
			text, _ := strconv.Unquote(f.Tag.Value)
			tag, _, _ = strings.Cut(reflect.StructTag(text).Get("json"), ",")
		}
		if len(f.Names) == 0 && tag == "" {
			p, n := qualified(pkg, f.Type)
			all = append(all, s.fields(p, n)...)
			continue
		}
		if tag == "-" || len(f.Names) > 0 && !f.Names[0].IsExported() {
			continue
		}
		for _, n := range f.Names {
			if tag == "" {
				tag = n.Name
			}
			all = append(all, docField{tag, s.kind(pkg, f.Type), oneSpace(f.Doc.Text() + " " + f.Comment.Text())})
		}
	}
	return all
}

// qualified takes the name of a type apart.
func qualified(pkg string, e ast.Expr) (string, string) {
	switch e := e.(type) {
	case *ast.Ident:
		return pkg, e.Name
	case *ast.SelectorExpr:
		return e.X.(*ast.Ident).Name, e.Sel.Name
	case *ast.StarExpr:
		return qualified(pkg, e.X)
	}
	return "", ""
}

// kind is how a type looks in JSON.
func (s *sources) kind(pkg string, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.ArrayType:
		return "list of " + s.kind(pkg, e.Elt)
	case *ast.MapType:
		return "object of " + s.kind(pkg, e.Value)
	case *ast.StarExpr:
		return s.kind(pkg, e.X)
	}
	p, n := qualified(pkg, e)
	switch n {
	case "string", "RunState":
		return "string"
	case "bool":
		return "boolean"
	case "int", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float64", "Size", "Duration":
		return "number"
	case "Time":
		return "time"
	case "error":
		return "string"
	}
	if ts := s.types[p+"."+n]; ts != nil {
		switch ts.Type.(type) {
		case *ast.StructType:
			return "[" + n + "](#" + strings.ToLower(n) + ")"
		case *ast.Ident:
			return "string" // names of an enum
		}
		return s.kind(p, ts.Type)
	}
	return n
}

var link = regexp.MustCompile(`\[(\w+)\]\(#`)

// document is what the document says of all events, and of what is in them.
func (s *sources) document() string {
	var b strings.Builder
	var inside []string
	table := func(title, pkg, name string) {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n", title, s.docs[pkg+"."+name])
		fields := s.fields(pkg, name)
		if len(fields) > 0 {
			b.WriteString("\n| field | is | |\n|---|---|---|\n")
		}
		for _, f := range fields {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.json, f.kind, strings.ReplaceAll(f.doc, "|", "\\|"))
			for _, m := range link.FindAllStringSubmatch(f.kind, -1) {
				if !slices.Contains(inside, m[1]) {
					inside = append(inside, m[1])
				}
			}
		}
	}
	b.WriteString("\n## Events\n")
	var names []string
	for n := range s.events {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		table(n, "campaign", s.events[n])
	}
	b.WriteString("\n## Objects in them\n")
	for i := 0; i < len(inside); i++ {
		var in []string
		for full := range s.types {
			if strings.HasSuffix(full, "."+inside[i]) {
				if _, ok := s.types[full].Type.(*ast.StructType); ok {
					in = append(in, full)
				}
			}
		}
		slices.SortFunc(in, func(a, b string) int { // the package of the events first
			if (a[:3] == "cam") != (b[:3] == "cam") {
				if a[:3] == "cam" {
					return -1
				}
				return 1
			}
			return strings.Compare(a, b)
		})
		pkg, name, _ := strings.Cut(in[0], ".")
		table(inside[i], pkg, name)
	}
	return b.String()
}
