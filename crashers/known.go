package crashers

import (
	"cmp"
	"fmt"
)

// Known says which row of the list of known bugs explains a finding. At most one of its fields is not 0.
type Known struct {
	KnownBug  int `json:"knownBug,omitempty"`  // a row that the list has for the kernel: nothing new
	LooksLike int `json:"looksLike,omitempty"` // a row that the list does not have for the kernel: that bug is back, or another one shows like it, and either is news
}

// KnownAs is a row that explains a finding, 0 for none; listed says whether the list has it for the kernel.
func KnownAs(row int, listed bool) Known {
	if listed {
		return Known{KnownBug: row}
	}
	return Known{LooksLike: row}
}

// Row is the row, whatever the list has it for; 0 if none explains the finding.
func (k Known) Row() int { return cmp.Or(k.KnownBug, k.LooksLike) }

// Brief says in a few words what is known, "" for nothing.
func (k Known) Brief() string {
	switch {
	case k.KnownBug != 0:
		return fmt.Sprintf("known bug, row %d", k.KnownBug)
	case k.LooksLike != 0:
		return fmt.Sprintf("like row %d of the list, which this kernel is not known to have", k.LooksLike)
	}
	return ""
}

// Sentence is Brief as a sentence, for reports and mails.
func (k Known) Sentence() string {
	switch brief := k.Brief(); {
	case k.KnownBug != 0:
		return "It is a " + brief + " of the list."
	case k.LooksLike != 0:
		return "It looks " + brief + ": that bug is back, or this is another one."
	}
	return ""
}
