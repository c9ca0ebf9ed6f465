package rules

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strconv"
	"strings"

	"tracehammer/engine"
	"tracehammer/ptrace"
)

// NumInvariants is how many invariants section 7 of the rules has.
const NumInvariants = 80

// Invariants says for each invariant, by its number, where it is checked: the functions that call broken or Broken with it.
func Invariants() (at [NumInvariants + 1][]string, err error) {
	for dir, files := range map[string]fs.FS{"engine": engine.Sources, "ptrace": ptrace.Sources} {
		names, err := fs.Glob(files, "*.go")
		if err != nil {
			return at, err
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			src, err := fs.ReadFile(files, name)
			if err != nil {
				return at, err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
			if err != nil {
				return at, err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) < 3 {
					return true
				}
				f, ok := call.Fun.(*ast.SelectorExpr)
				lit, isLit := call.Args[0].(*ast.BasicLit)
				if !ok || !isLit || f.Sel.Name != "broken" && f.Sel.Name != "Broken" {
					return true
				}
				if k, err := strconv.Atoi(lit.Value); err == nil && k >= 1 && k <= NumInvariants {
					at[k] = append(at[k], fmt.Sprintf("%s/%s:%s", dir, name, declaration(file, call.Pos())))
				}
				return true
			})
		}
	}
	for k := range at {
		at[k] = sorted(at[k])
	}
	return at, nil
}
