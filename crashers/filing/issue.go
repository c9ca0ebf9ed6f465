package filing

import (
	"fmt"
	"html"
	"io"
	"strings"

	"tracehammer/stress/history"
)

// WriteIssue writes the text of an issue, in the Markdown that GitHub and GitLab share. Its first line is the title.
func WriteIssue(w io.Writer, it *Item) error {
	var b strings.Builder
	fold := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&b, "<details><summary>%s</summary>\n\n%s\n</details>\n\n", html.EscapeString(title), fence(text))
		}
	}
	fmt.Fprintf(&b, "# %s\n\n", inline(clip(it.Title)))
	fmt.Fprintf(&b, "%s on %s.\n\n", it.what(), inline(it.where()))
	if s := it.Sentence(); s != "" {
		fmt.Fprintf(&b, "%s\n\n", s)
	}
	b.WriteString(fence(it.Explanation) + "\n")
	for _, r := range it.concerned() {
		fmt.Fprintf(&b, "- %s\n", inline(r))
	}
	fmt.Fprintf(&b, "\n## System calls\n\n%s\n%s.\n\n", fence(string(it.Scenario)), strings.ToUpper(it.reliability()[:1])+it.reliability()[1:])
	if len(it.Tried) > 0 {
		b.WriteString("Kernels on which it was tried:\n\n")
		for l := range strings.Lines(it.kernels()) {
			fmt.Fprintf(&b, "- %s\n", inline(strings.TrimRight(l, "\n")))
		}
		b.WriteString("\n")
	}
	fold("The schedule", it.Schedule)
	fold("One run that shows it", it.Lanes)
	fold("Kernel configuration, as far as it matters", relevant(it.Config))
	if it.Repro != nil {
		b.WriteString("Reproducer: `gcc -O2 -static -pthread -o repro repro.c && ./repro; echo $?` prints 1 where the bug is, 0 where it did not show, 125 where that cannot be told.\n\n")
		fold("repro.c", string(it.Repro))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// inline is untrusted text within a paragraph: Markdown has a backslash for every punctuation mark that it reads.
func inline(s string) string {
	var b strings.Builder
	for _, r := range history.Printable(s) {
		if strings.ContainsRune("\\`*_{}[]<>()#+-!|~&@", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// fence is untrusted text in a code block, between fences longer than any in the text.
func fence(text string) string {
	mark := "```"
	for strings.Contains(text, mark) {
		mark += "`"
	}
	return mark + "text\n" + lines(strings.TrimRight(text, "\n")) + mark + "\n"
}
