// Package collection works on sets of inputs, wherever they are kept: as scenarios in text, in the files of native Go fuzzing, of
// go-fuzz, or as raw bytes. It converts them, unites them, and chooses among them by what their runs on the engine cover.
//
// It never runs anything on a kernel and never judges. What it does depends on the contents of the files alone, so that it is
// the same wherever and whenever. Nothing here is shared between goroutines, so there are no locks.
package collection

import (
	"bytes"
	"crypto/sha1" // names files as go-fuzz does, no matter of security
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tracehammer/corpus"
	"tracehammer/fuzz/input"
)

// Format is how an input is kept.
type Format uint8

const (
	Native = Format(input.Native) // testdata/fuzz/FuzzX of native Go fuzzing
	GoFuzz = Format(input.GoFuzz) // a go-fuzz work directory
	Raw    = Format(input.Raw)    // files of bytes
	Text   = Raw + 1              // scenarios: NAME.scn
)

func (f Format) String() string {
	if f == Text {
		return "text"
	}
	return input.Format(f).String()
}

// ParseFormat is the inverse of String.
func ParseFormat(name string) (Format, error) {
	if name == Text.String() {
		return Text, nil
	}
	f, err := input.ParseFormat(name)
	if err != nil {
		return 0, fmt.Errorf("unknown format %.40q: known formats are text, %v, %v and %v", name, Native, GoFuzz, Raw)
	}
	return Format(f), nil
}

// Extension is that of scenario files.
const Extension = ".scn"

// Entry is one input of a collection.
type Entry struct {
	Path   string
	Name   string // of the scenario, or else of the file
	Format Format
	Input  input.Input
	Data   []byte // bytes that mean the input
	// Scheduled says that the input is one run, under its decision stream; without, it is a scenario that may run anyhow.
	Scheduled bool
	text      []byte // as it was read, if it was text
}

// Read reads the inputs at the given paths, files or directories of any layout, in the order of the paths and then of names.
// The same bytes are read once. What cannot be read is in bad; the other entries are good.
func Read(paths []string) (all []*Entry, bad []error) {
	seen := map[string]bool{}
	for _, path := range paths {
		for f, err := range input.Walk(path) {
			var e *Entry
			if err == nil {
				e, err = entry(f)
			}
			if err != nil {
				bad = append(bad, err)
				continue
			}
			if key := string(e.identity()); !seen[key] {
				seen[key] = true
				all = append(all, e)
			}
		}
	}
	return all, bad
}

// identity is what makes two entries one: scenarios of two names are two.
func (e *Entry) identity() []byte {
	if e.Format == Text {
		return append([]byte("text\n"), e.text...)
	}
	return e.Data
}

func entry(f input.File) (*Entry, error) {
	if filepath.Ext(f.Path) == Extension {
		return parseText(f.Path, f.Data)
	}
	return &Entry{Path: f.Path, Name: filepath.Base(f.Path), Format: Format(f.Format), Input: input.Decode(f.Data), Data: f.Data, Scheduled: true}, nil
}

// Comments above the first line of a scenario that say what else an input is. Those who only look at the scenario may pass
// over them.
const (
	commentProfile  = "# profile: "
	commentSchedule = "# schedule: "
	commentBytes    = "# bytes: " // as they were, where others mean the same; ignored if the scenario was changed since
)

// FromScenario is the entry of a scenario that is in no file.
func FromScenario(s *corpus.Scenario) *Entry {
	in := input.Input{Scenario: s}
	return &Entry{Name: s.Name, Format: Text, Input: in, Data: input.Encode(in), text: s.Print()}
}

func parseText(path string, text []byte) (*Entry, error) {
	s, err := corpus.Parse(path, text)
	if err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	e := &Entry{Path: path, Name: s.Name, Format: Text, Input: input.Input{Scenario: s}, text: text}
	var was []byte
	for _, line := range s.Before {
		var err error
		if name, ok := strings.CutPrefix(line, commentProfile); ok {
			e.Input.Profile, err = input.ParseProfile(strings.TrimSpace(name))
		}
		if stream, ok := strings.CutPrefix(line, commentSchedule); ok {
			e.Scheduled = true
			e.Input.Stream, err = decode(stream)
		}
		if b, ok := strings.CutPrefix(line, commentBytes); ok {
			was, err = decode(b)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", path, strings.TrimSpace(line[:min(len(line), 40)]), err)
		}
	}
	e.Data = input.Encode(e.Input)
	if was != nil && bytes.Equal(input.Encode(input.Decode(was)), e.Data) {
		e.Data = was
	}
	return e, nil
}

// encode writes bytes into a comment; a line does not end with a blank, so that no bytes are "-".
func encode(b []byte) string {
	if len(b) == 0 {
		return "-"
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// decode is the inverse of encode, and never returns nil without an error.
func decode(text string) ([]byte, error) {
	if text = strings.TrimSpace(text); text == "-" {
		return []byte{}, nil
	}
	return base64.RawURLEncoding.DecodeString(text)
}

// Text is the entry as a scenario; one that was read as text is as it was.
func (e *Entry) Text() (name string, text []byte, err error) {
	if e.text != nil {
		return e.Name, e.text, nil
	}
	s := e.Input.Scenario.Clone()
	s.Canonical()
	s.Name = fmt.Sprintf("in-%x", sha1.Sum(e.Data))[:len("in-")+12]
	if p := e.Input.Profile.String(); p != "" {
		s.Before = append(s.Before, commentProfile+p)
	}
	s.Before = append(s.Before, commentSchedule+encode(e.Input.Stream))
	if !bytes.Equal(input.Encode(e.Input), e.Data) {
		s.Before = append(s.Before, commentBytes+encode(e.Data))
	}
	text = s.Print()
	if len(text) > corpus.MaxText {
		return "", nil, fmt.Errorf("%s: as text it has %d bytes, scenarios have at most %d", e.Path, len(text), corpus.MaxText)
	}
	// Whoever reads it back must get the same.
	back, err := parseText(s.Name+Extension, text)
	if err != nil {
		return "", nil, fmt.Errorf("%s: as text: %w", e.Path, err)
	}
	if !bytes.Equal(back.Data, e.Data) {
		return "", nil, fmt.Errorf("%s: as text it means something else", e.Path)
	}
	return s.Name, text, nil
}

// Write writes the entry into dir in a format, under the name that whoever uses that format gives it, and returns its path. What is
// there already is left alone; another scenario of the same name is an error.
func (e *Entry) Write(dir string, format Format) (path string, isNew bool, err error) {
	if format != Text {
		path = input.Path(dir, input.Format(format), e.Data)
		_, err := os.Lstat(path)
		if err == nil {
			return path, false, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", false, err
		}
		path, err = input.Write(dir, input.Format(format), e.Data)
		return path, err == nil, err
	}
	name, text, err := e.Text()
	if err != nil {
		return "", false, err
	}
	path = filepath.Join(dir, name+Extension)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", false, err
	}
	switch old, err := os.ReadFile(path); {
	case err == nil && bytes.Equal(old, text):
		return path, false, nil
	case err == nil:
		return "", false, fmt.Errorf("%s: another scenario has this name in %s", e.Path, dir)
	case !errors.Is(err, fs.ErrNotExist):
		return "", false, err
	}
	if err := os.WriteFile(path, text, 0o666); err != nil {
		return "", false, errors.Join(err, os.Remove(path))
	}
	return path, true, nil
}
