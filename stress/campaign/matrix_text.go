package campaign

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"tracehammer/stress/history"
)

// MatrixText tells people of a comparison while it runs: on Err what goes on, on Out the columns as they end.
type MatrixText struct {
	Out io.Writer
}

// Report implements Reporter.
func (t MatrixText) Report(e Event) error {
	var b strings.Builder
	switch e := e.(type) {
	case MatrixTarget:
		fmt.Fprintf(&b, "skip %s: %s\n", e.Name, history.Printable(e.Cannot))
	case MatrixCell:
		said := e.Detail
		switch e.Status() {
		case Agrees:
		case Explained:
			said = strings.Join(e.Differs, ", ")
		case NotRun:
			said = e.Skipped
		case KnownBug:
			said = fmt.Sprintf("row %d", e.KnownBug)
		case Unexplained:
			said = strings.Join(e.Problems, "; ")
			if e.Undecided {
				said += "; a comparison was cut short"
			}
			for _, id := range e.Findings {
				said += "; filed as " + id
			}
		}
		fmt.Fprintf(&b, "%-11s %s %s: %s\n", e.Status(), e.Target, history.Printable(e.Scenario), history.Printable(oneLine(said)))
	case *Matrix:
		fmt.Fprintf(&b, "%s\n", e)
	}
	_, err := io.WriteString(t.Out, b.String())
	return err
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// String is the last line: what the cells come to.
func (m *Matrix) String() string {
	return fmt.Sprintf("%d scenarios on %d targets: %d cells agree with %s, %d differ as profiles say, %d show known bugs, %d skipped, %d unexplained",
		len(m.Rows), m.Ran(), m.Agreed, m.Reference, m.Explained, m.KnownBugs, m.Skipped, m.Unexplained)
}

// mark is what the table has in a cell.
func (c *MatrixCell) mark(letters map[string]string) string {
	switch c.Status() {
	case Agrees:
		return "="
	case Explained:
		var s []string
		for _, f := range c.Differs {
			s = append(s, letters[f])
		}
		return strings.Join(s, " ")
	case KnownBug:
		return fmt.Sprintf("row %d", c.KnownBug)
	case NotRun:
		return "–"
	case Unexplained:
	}
	return "**?**"
}

// letters names features shortly, in order: a, b, ...
func (m *Matrix) letters() map[string]string {
	short := map[string]string{}
	for i, f := range slices.Sorted(maps.Keys(m.Features)) {
		short[f] = letter(i)
	}
	return short
}

func letter(i int) string {
	if i < 26 {
		return string(rune('a' + i))
	}
	return letter(i/26-1) + letter(i%26)
}

// MatrixView is a matrix as pages show it.
type MatrixView struct {
	*Matrix
	Legend  []legend
	Shown   []viewRow // rows with something to say
	Silent  int       // rows in which all that ran agree
	Reasons []reason
}

type legend struct{ Mark, Name, Text string }

type viewRow struct {
	Scenario string
	Cells    []viewCell
}

type viewCell struct{ Mark, Status, Title string }

// reason is why cells were skipped.
type reason struct {
	Text  string
	Cells int
}

// View prepares the matrix for a page: rows in which all agree are only counted.
func (m *Matrix) View() *MatrixView {
	v, short := &MatrixView{Matrix: m}, m.letters()
	for _, f := range slices.Sorted(maps.Keys(m.Features)) {
		v.Legend = append(v.Legend, legend{short[f], f, m.Features[f]})
	}
	reasons := map[string]int{}
	for _, r := range m.Rows {
		row, silent := viewRow{Scenario: r.Scenario}, true
		for i := range r.Cells {
			c := &r.Cells[i]
			if c.Skipped != "" {
				reasons[c.Skipped]++
			}
			title := c.Detail
			switch s := c.Status(); s {
			case Agrees:
			case Explained, KnownBug, Unexplained:
				silent = false
				title = oneLine(strings.Join(append(slices.Clone(c.Differs), c.Problems...), "; "))
			case NotRun:
				title = c.Skipped
			}
			row.Cells = append(row.Cells, viewCell{c.mark(short), strings.ReplaceAll(c.Status().String(), " ", "-"), history.Printable(title)})
		}
		if silent {
			v.Silent++
			continue
		}
		v.Shown = append(v.Shown, row)
	}
	for _, text := range slices.Sorted(maps.Keys(reasons)) {
		v.Reasons = append(v.Reasons, reason{history.Printable(text), reasons[text]})
	}
	return v
}

// cellText is text within a cell of a Markdown table.
func cellText(s string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "\n", " ").Replace(history.Printable(s))
}

// Markdown writes the matrix as Markdown: rows in which all agree are only counted.
func (m *Matrix) Markdown(w io.Writer) error {
	v := m.View()
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n\n", m)
	b.WriteString("| target | kernel | its profile differs from the reference in |\n|---|---|---|\n")
	for _, t := range m.Targets {
		said := strings.Join(t.Profile, ", ")
		if t.Cannot != "" {
			said = "cannot run here: " + t.Cannot
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cellText(t.Name), cellText(t.Kernel), cellText(said))
	}
	fmt.Fprintf(&b, "\n`=` agrees · letters: differs, and what explains it · `row N`: shows that known bug · `–` skipped · **?** unexplained.\n%d further scenarios agree wherever they ran.\n\n", v.Silent)
	b.WriteString("| scenario |")
	for _, t := range m.Targets {
		fmt.Fprintf(&b, " %s |", cellText(t.Name))
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(m.Targets)) + "\n")
	for _, r := range v.Shown {
		fmt.Fprintf(&b, "| %s |", cellText(r.Scenario))
		for _, c := range r.Cells {
			fmt.Fprintf(&b, " %s |", c.Mark)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n| | behaviour | what it is, and who says so |\n|---|---|---|\n")
	for _, l := range v.Legend {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", l.Mark, cellText(l.Name), cellText(l.Text))
	}
	b.WriteString("\n| skipped because | cells |\n|---|---|\n")
	for _, r := range v.Reasons {
		fmt.Fprintf(&b, "| %s | %d |\n", cellText(r.Text), r.Cells)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// HTML writes the matrix as a page of its own, without scripts and without anything from elsewhere.
func (m *Matrix) HTML(w io.Writer) error { return page(w, "matrix.html", m.View()) }
