package filing

import (
	"encoding/xml"
	"fmt"
	"io"

	"tracehammer/stress/history"
)

// JUnit's XML, as CI servers read it: a test for each finding.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitFailure `xml:"failure"`
		Skipped *junitSkipped `xml:"skipped"`
	}
	junitFailure struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
)

// WriteJUnit writes findings as a test suite. Known bugs and closed findings are skipped tests that say so.
func WriteJUnit(w io.Writer, items []*Item) error {
	s := junitSuite{Name: "tracehammer", Tests: len(items)}
	for _, it := range items {
		c := junitCase{Class: history.Printable(it.Target), Name: it.ID + " " + history.Printable(it.Title)}
		switch {
		case it.State.Closed():
			c.Skipped = &junitSkipped{it.Status.String()}
		case it.KnownBug != 0:
			c.Skipped = &junitSkipped{it.Brief()}
		default:
			c.Failure = &junitFailure{it.Kind.String(), history.Printable(it.Title), lines(it.Explanation) + "\n" + lines(string(it.Scenario)) + "\n" + lines(it.Command)}
		}
		if c.Failure != nil {
			s.Failures++
		} else {
			s.Skipped++
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(s); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}
