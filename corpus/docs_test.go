package corpus

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func readDocs(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// codeSpan is what stands between backquotes on one line.
var codeSpan = regexp.MustCompile("`([^`\n]+)`")

// documented are the verbs of the tables in the documentation: `ptrace ATTACH TID`, `ptrace KILL\|LISTEN TID`.
func documented(doc string) map[string]bool {
	verbs := map[string]bool{}
	for line := range strings.Lines(doc) {
		cells := strings.SplitN(line, " | ", 2)
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, span := range codeSpan.FindAllStringSubmatch(cells[0], -1) {
			words := strings.Fields(strings.ReplaceAll(span[1], `\|`, "|"))
			switch words[0] {
			case "ptrace", "prctl", "utrace":
				if len(words) < 2 {
					continue
				}
				for _, w := range strings.Split(words[1], "|") {
					verbs[words[0]+" "+w] = true
				}
			default:
				verbs[words[0]] = true
			}
		}
	}
	// By number.
	for _, v := range []string{"ptrace", "prctl"} {
		if verbs[v+" NUMBER"] {
			verbs[v] = true
		}
	}
	return verbs
}

// Every verb is in the tables of docs/scenarios.md, and some seed shows it.
func TestEveryVerbIsDocumented(t *testing.T) {
	verbs := documented(readDocs(t))
	used := map[string]bool{}
	for _, s := range Seeds() {
		for _, o := range s.Ops() {
			used[o.Verb.Name] = true
		}
	}
	for _, v := range Verbs {
		if !verbs[v.Name] {
			t.Errorf("docs/scenarios.md has no %s", v.Name)
		}
		if !used[v.Name] {
			t.Errorf("no seed has %s", v.Name)
		}
	}
}

// The topics of the seeds are in the documentation as well.
func TestEveryTopicIsDocumented(t *testing.T) {
	doc := readDocs(t)
	topics := map[string]bool{}
	for _, topic := range SeedTopics() {
		topics[topic] = true
	}
	for topic := range topics {
		if !strings.Contains(doc, "| `"+topic+"` |") {
			t.Errorf("docs/scenarios.md does not say what seeds of %s are about", topic)
		}
	}
}

// The examples are of the language: each block of the documentation is a scenario, or is one with a few actors in front of it.
func TestExamplesParse(t *testing.T) {
	blocks := regexp.MustCompile("(?s)\n```\n(.*?)```\n").FindAllStringSubmatch(readDocs(t), -1)
	if len(blocks) < 6 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		text := b[1]
		if !strings.Contains(text, "scenario ") {
			text = "scenario x\nproc main\nproc child of main\n" + text
		}
		if _, err := Parse("example", []byte(text)); err != nil {
			t.Errorf("%v\n%s", err, b[1])
		}
	}
}
