package filing

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"tracehammer/stress/history"
)

// SARIF 2.1.0, as far as findings need it: https://docs.oasis-open.org/sarif/sarif/v2.1.0/
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"` // also if there are none: that is what a clean run says
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string       `json:"id"`
		ShortDescription sarifMessage `json:"shortDescription"`
	}
	sarifMessage struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		Level        string             `json:"level"`
		Message      sarifMessage       `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Fingerprints map[string]string  `json:"fingerprints"`
		Occurrences  int                `json:"occurrenceCount"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		Properties   map[string]any     `json:"properties"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
)

// WriteSARIF writes findings as one SARIF run of a version of this program. Those that are closed are suppressed.
func WriteSARIF(w io.Writer, version string, items []*Item) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "tracehammer", Version: version, Rules: []sarifRule{}}}, Results: []sarifResult{}}
	for _, it := range items {
		id := it.Kind.String() + "/" + it.ID
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{id, sarifMessage{Text: history.Printable(it.Title)}})
		r := sarifResult{RuleID: id, Level: "error",
			Message:      sarifMessage{Text: fmt.Sprintf("%s on %s\n%s", history.Printable(it.Title), it.where(), lines(it.Explanation)), Markdown: fence(it.Explanation)},
			Locations:    []sarifLocation{{sarifPhysical{sarifArtifact{fileURI(filepath.Join(it.Dir, "scenario.scn"))}}}},
			Fingerprints: map[string]string{"signature/v1": it.ID}, Occurrences: it.Count,
			Properties: map[string]any{"kernel": history.Printable(it.Kernel), "arch": history.Printable(it.Arch), "target": history.Printable(it.Target), "state": it.State,
				"operations": it.Ops, "hits": it.Hits, "runs": it.Runs, "rules": it.concerned(), "scenario": lines(string(it.Scenario))},
		}
		if it.KnownBug != 0 {
			r.Level = "note"
			r.Properties["knownBug"] = it.KnownBug
		}
		if it.LooksLike != 0 {
			r.Properties["looksLike"] = it.LooksLike
		}
		if it.State.Closed() {
			r.Suppressions = []sarifSuppression{{"external", it.Status.String()}}
		}
		run.Results = append(run.Results, r)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}}); err != nil {
		return fmt.Errorf("write SARIF: %w", err)
	}
	return nil
}

// fileURI is a path as a relative or a file URI.
func fileURI(path string) string {
	var b strings.Builder
	if filepath.IsAbs(path) {
		b.WriteString("file://")
	}
	for _, c := range []byte(filepath.ToSlash(path)) {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
