package readers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"slices"

	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/fuzz/input"
	"tracehammer/fuzz/memory"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/history/jsonl"
	"tracehammer/stress/history/render"
	"tracehammer/stress/schedule"
)

// FuzzHistory reads bytes as a history in JSON lines. It asserts that no bytes make the reader panic, that what it accepts
// is written so that it is read as the same, and that any history can be drawn, as table and as lanes, whatever program it
// claims to be of.
func FuzzHistory(data []byte) int { return memory.Bounded("FuzzHistory", historyLines, data) }

func historyLines(data []byte) int {
	h, err := jsonl.Read(bytes.NewReader(data))
	if err != nil {
		return neutral
	}
	first := jsonLines("FuzzHistory", h)
	again, err := jsonl.Read(bytes.NewReader(first))
	if err != nil {
		violated("FuzzHistory", "own output refused: %v\n%s", err, first)
	}
	if second := jsonLines("FuzzHistory", again); !bytes.Equal(first, second) {
		violated("FuzzHistory", "not stable:\n%s\n%s", first, second)
	}
	for _, write := range []func(io.Writer, *engine.Program, *history.History) error{render.WriteTable, render.WriteLanes} {
		if err := write(io.Discard, &engine.Program{}, h); err != nil {
			violated("FuzzHistory", "%v", err)
		}
	}
	return keep
}

func jsonLines(target string, h *history.History) []byte {
	var b bytes.Buffer
	if err := jsonl.Write(&b, h); err != nil {
		violated(target, "a history that was read cannot be written: %v", err)
	}
	return b.Bytes()
}

// crasherID is what the crashers of FuzzCrasher are called: a directory whose meta.json says another name is refused.
const crasherID = "0123456789ab"

// FuzzCrasher reads bytes as the files of a crasher's directory: the first line of each part is the name of a file, the
// parts are divided by lines of "--". It asserts that no files make the reader panic, that what it says to people holds
// nothing that a terminal obeys, that impossible counts are refused, and that a state that cannot be read is said to be so.
func FuzzCrasher(data []byte) int { return memory.Bounded("FuzzCrasher", crasherFiles, data) }

func crasherFiles(data []byte) int {
	files := map[string][]byte{}
	for _, part := range bytes.Split(data, []byte("\n--\n")) {
		name, content, _ := bytes.Cut(part, []byte("\n"))
		files[string(name)] = content
	}
	c, err := crashers.Decode(crasherID, func(name string, limit int64) ([]byte, error) {
		content, ok := files[name]
		switch {
		case !ok:
			return nil, fs.ErrNotExist
		case int64(len(content)) > limit:
			return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
		}
		return content, nil
	})
	if err != nil {
		if !printable(err.Error()) && !errors.Is(err, fs.ErrNotExist) {
			violated("FuzzCrasher", "the error %q", err)
		}
		return neutral
	}
	if c.ID != crasherID || c.Hits < 0 || c.Runs < c.Hits || c.Count < 1 || c.Ops < 0 {
		violated("FuzzCrasher", "impossible: %+v", c.Meta)
	}
	if c.Of != "" && (len(c.Of) != len(crasherID) || c.State != crashers.StateDuplicate) || c.State == crashers.StateUnread && c.Problem == "" {
		violated("FuzzCrasher", "impossible: %+v", c.Status)
	}
	said := []string{c.Title, c.Signature, c.Target, c.Kernel, c.Arch, c.Command, c.Rate(), c.Owner, c.Problem, c.Status.String()}
	for _, t := range c.Tried {
		if t.Hits < 0 || t.Runs < t.Hits {
			violated("FuzzCrasher", "impossible: %+v", t)
		}
		said = append(said, t.Where(), t.Rate())
	}
	for _, s := range said {
		if !printable(s) {
			violated("FuzzCrasher", "%q reaches a terminal", s)
		}
	}
	return keep
}

func printable(s string) bool { return history.Printable(s) == s }

// FuzzInputFile reads bytes as a file of a corpus: native Go fuzzing's format. It asserts that no bytes make the reader
// panic, that it accepts nothing without the format's header, and that what it accepts is written so that it is read as the
// same.
func FuzzInputFile(file []byte) int { return memory.Bounded("FuzzInputFile", inputFile, file) }

func inputFile(file []byte) int {
	data, err := input.ParseNative(file)
	if err != nil {
		return neutral
	}
	if !input.IsNative(file) {
		violated("FuzzInputFile", "no header, and accepted")
	}
	back, err := input.ParseNative(input.FormatNative(data))
	if err != nil || !bytes.Equal(back, data) {
		violated("FuzzInputFile", "%q comes back as %q, %v", data, back, err)
	}
	return keep
}

// FuzzNames reads bytes as each of the names that users give on the command line: a strategy, a decision stream, a profile,
// planted bugs, a kind of finding, a format of a corpus, a target. It asserts that none makes its reader panic, and that
// what is read has a name that is read as the same.
func FuzzNames(data []byte) int { return memory.Bounded("FuzzNames", names, data) }

func names(data []byte) int {
	name := string(data)
	result := neutral
	check := func(what string, err error, same func() bool) {
		if err != nil {
			return
		}
		if result = keep; !same() {
			violated("FuzzNames", "%s %q reads back as another", what, name)
		}
	}
	_, err := schedule.Parse(name)
	check("strategy", err, func() bool { return true })
	stream, err := schedule.ParseStream(name)
	check("stream", err, func() bool {
		back, err := schedule.ParseStream(stream.String())
		return err == nil && slices.Equal(back, stream)
	})
	profile, err := engine.ParseProfile(name)
	check("profile", err, func() bool {
		back, err := engine.ParseProfile(profile.Name)
		return err == nil && reflect.DeepEqual(back, profile)
	})
	set, err := engine.ParseBugs(name)
	check("planted bugs", err, func() bool { back, err := engine.ParseBugs(set.String()); return err == nil && back == set })
	kind, err := crashers.ParseKind(name)
	check("kind", err, func() bool { return kind.String() == name })
	format, err := input.ParseFormat(name)
	check("format", err, func() bool { return format.String() == name })
	_, _, err = stress.TargetName(name)
	check("target", err, func() bool { return true })
	return result
}
