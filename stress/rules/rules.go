package rules

import (
	"embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
)

// A Rule of the specification with everything that is known about it.
type Rule struct {
	ID        string   `json:"id"` // R67
	Evidence  Evidence `json:"evidence"`
	Title     string   `json:"title"`
	Places    []string `json:"places"`    // engine/exec.go:execThread, ascending
	Counted   bool     `json:"counted"`   // a Mark in code counts it: runs can be seen to go through it
	Scenarios []string `json:"scenarios"` // seeds whose rules line, or comment, names it
	Tests     []string `json:"tests"`     // ptrace/rules_test.go:TestUserNamespace
}

// Shown says whether some scenario or test shows the rule.
func (r *Rule) Shown() bool { return len(r.Scenarios)+len(r.Tests) > 0 }

// N is the number of an R rule, 0 for others.
func (r *Rule) N() engine.Rule {
	if n, err := strconv.ParseUint(strings.TrimPrefix(r.ID, "R"), 10, 8); err == nil {
		return engine.Rule(n)
	}
	return 0
}

// Load puts the table together from the carried sources and the given scenarios.
func Load(scenarios []*corpus.Scenario) ([]Rule, error) {
	c := cited{code: map[string][]string{}, tests: map[string][]string{}, counted: map[string]bool{}}
	for dir, files := range map[string]embed.FS{"engine": engine.Sources, "ptrace": ptrace.Sources} {
		if err := c.read(dir, files); err != nil {
			return nil, fmt.Errorf("read the sources of %s: %w", dir, err)
		}
	}
	shown := map[string][]string{}
	for _, s := range scenarios {
		for _, n := range s.Rules {
			id := fmt.Sprint("R", n)
			shown[id] = append(shown[id], s.Name)
		}
		for _, line := range s.Before { // utrace's rules are no kernel's: a scenario's comment cites them
			for _, id := range citation.FindAllString(line, -1) {
				if id[0] != 'R' {
					shown[id] = append(shown[id], s.Name)
				}
			}
		}
	}
	rules := make([]Rule, len(table))
	for i, e := range table {
		rules[i] = Rule{ID: e.id, Evidence: e.evidence, Title: e.title, Counted: c.counted[e.id],
			Places: sorted(c.code[e.id]), Scenarios: sorted(shown[e.id]), Tests: sorted(c.tests[e.id])}
	}
	return rules, nil
}

// Title is what an R rule says in a few words; "" if there is no such rule.
func Title(n int) string {
	if n < 1 || n >= engine.NumRules {
		return ""
	}
	return table[n-1].title
}

func sorted(names []string) []string {
	slices.Sort(names)
	return append([]string{}, slices.Compact(names)...) // never null in JSON
}

// cited is where the rules' numbers stand, by rule, and for which there is a Mark.
type cited struct {
	code, tests map[string][]string
	counted     map[string]bool
}

func (c *cited) read(dir string, files embed.FS) error {
	names, err := fs.Glob(files, "*.go")
	if err != nil {
		return err
	}
	for _, name := range names {
		src, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for id := range marks(file) {
			c.counted[id] = true
		}
		into := c.code
		if strings.HasSuffix(name, "_test.go") {
			into = c.tests
		}
		for id, at := range cites(file) {
			for _, pos := range at {
				into[id] = append(into[id], fmt.Sprintf("%s/%s:%s", dir, name, declaration(file, pos)))
			}
		}
	}
	return nil
}

// citation is a rule's number. "R37 to R47" cites its two ends: where a file says what it is about, nobody implements yet.
var citation = regexp.MustCompile(`\b[RUOCH][1-9][0-9]*\b`)

// cites finds the rules that a file's comments cite and that its calls of Mark count, with the places.
func cites(file *ast.File) map[string][]token.Pos {
	at := map[string][]token.Pos{}
	for _, group := range file.Comments {
		for _, id := range citation.FindAllString(group.Text(), -1) {
			at[id] = append(at[id], group.Pos())
		}
	}
	for id, pos := range marks(file) {
		at[id] = append(at[id], pos...)
	}
	return at
}

// marks finds the calls of Mark, by rule.
func marks(file *ast.File) map[string][]token.Pos {
	at := map[string][]token.Pos{}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return true
		}
		if f, ok := call.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "mark" || f.Sel.Name == "Mark") {
			if lit, ok := call.Args[0].(*ast.BasicLit); ok && lit.Kind == token.INT {
				at["R"+lit.Value] = append(at["R"+lit.Value], call.Pos())
			}
		}
		return true
	})
	return at
}

// declaration is the name of the function or other declaration that pos stands in, or before which it stands as its
// comment; "package" outside of all.
func declaration(file *ast.File, pos token.Pos) string {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			from := d.Pos()
			if d.Doc != nil {
				from = d.Doc.Pos()
			}
			if from <= pos && pos < d.End() {
				return d.Name.Name
			}
		case *ast.GenDecl:
			from := d.Pos()
			if d.Doc != nil {
				from = d.Doc.Pos()
			}
			if from > pos || pos >= d.End() {
				continue
			}
			if len(d.Specs) == 0 {
				return d.Tok.String()
			}
			spec := d.Specs[0]
			for _, s := range d.Specs {
				if s.Pos() <= pos {
					spec = s
				}
			}
			switch s := spec.(type) {
			case *ast.TypeSpec:
				return s.Name.Name
			case *ast.ValueSpec:
				return s.Names[0].Name
			}
			return d.Tok.String()
		}
	}
	return "package"
}

// Counts is how often runs went through each R rule, by its ID. It is how marks are kept in files.
type Counts map[string]uint64

// CountsOf leaves out what was never exercised.
func CountsOf(m *engine.Marks) Counts {
	c := Counts{}
	for n, hits := range m {
		if hits > 0 {
			c[fmt.Sprint("R", n)] = hits
		}
	}
	return c
}
