package web

import (
	"net/http"
	"sync"

	"tracehammer/corpus"
	"tracehammer/stress/campaign"
	"tracehammer/stress/rules"
)

// ruleTable is the table of rules with what shows them: it is read from the sources that the program carries.
var ruleTable = sync.OnceValues(func() ([]rules.Rule, error) { return rules.Load(corpus.Seeds()) })

type matrixPage struct {
	Matrix *campaign.MatrixView // nil: there is none
	When   string
	State  string
}

func (s *Server) matrix(*http.Request) (frame, error) {
	f := frame{Title: "Matrix", Here: "matrix"}
	m, when, err := campaign.LoadMatrix(s.State)
	if err != nil {
		return f, err
	}
	p := matrixPage{State: s.State}
	if m != nil {
		p.Matrix, p.When = m.View(), when.UTC().Format("2006-01-02 15:04 MST")
	}
	f.Page = p
	return f, nil
}
