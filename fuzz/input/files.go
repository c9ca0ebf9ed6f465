package input

import (
	"crypto/sha1" // the name that go-fuzz and libFuzzer give a file, no matter of security
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
)

// Bounds of what is read. A file may write each byte as four: "\x00".
const (
	MaxData  = 1 << 18 // bytes of one input
	MaxFile  = 4*MaxData + 64
	MaxFiles = 1 << 20 // of one directory tree
	MaxDepth = 6       // of directories in each other
)

// Format is the layout of the files of a corpus.
type Format uint8

const (
	// Native is testdata/fuzz/FuzzX/HASH of native Go fuzzing, and its cache.
	Native Format = iota
	// GoFuzz is a go-fuzz work directory: raw bytes in corpus/SHA1, crashers in crashers/SHA1 beside SHA1.output and
	// SHA1.quoted.
	GoFuzz
	// Raw is files of bytes and nothing else: libFuzzer's and ClusterFuzz's.
	Raw
	numFormats
)

var formatNames = [numFormats]string{"native", "go-fuzz", "raw"}

func (f Format) String() string { return formatNames[f] }

// ParseFormat is the inverse of String.
func ParseFormat(name string) (Format, error) {
	for i, n := range formatNames {
		if n == name {
			return Format(i), nil
		}
	}
	return 0, fmt.Errorf("corpus format %.40q: known are %s", name, strings.Join(formatNames[:], ", "))
}

// File is one input in a file.
type File struct {
	Path   string
	Format Format // Raw for a file of go-fuzz that lies outside of its directories
	Crash  bool   // the file's place says that a fuzzer filed it as a crasher
	Target string // FuzzX, if the file's place says so, else ""
	Data   []byte // at most MaxData
}

// Read reads one file of any format.
func Read(path string) (File, error) {
	b, err := readBounded(path)
	if err != nil {
		return File{}, err
	}
	f := File{Path: path, Format: Raw, Data: b}
	switch dir := filepath.Base(filepath.Dir(path)); {
	case IsNative(b):
		f.Format = Native
		if f.Data, err = ParseNative(b); err != nil {
			return File{}, fmt.Errorf("%s: %w", path, err)
		}
	case isGoFuzz(dir):
		f.Format, f.Crash = GoFuzz, dir == "crashers"
	default:
		f.Crash = strings.HasPrefix(filepath.Base(path), "crash-") // libFuzzer's
	}
	if len(f.Data) > MaxData {
		return File{}, fmt.Errorf("%s: %d bytes of input, at most %d are read", path, len(f.Data), MaxData)
	}
	for dir := filepath.Dir(path); len(dir) > 1; dir = filepath.Dir(dir) {
		if strings.HasPrefix(filepath.Base(dir), "Fuzz") {
			f.Target = filepath.Base(dir)
			break
		}
	}
	return f, nil
}

func isGoFuzz(dir string) bool { return dir == "corpus" || dir == "crashers" }

// readBounded reads a regular file of at most MaxFile bytes; opening anything else could block.
func readBounded(path string) ([]byte, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(b) > MaxFile {
		return nil, fmt.Errorf("%s: longer than %d bytes", path, MaxFile)
	}
	return b, nil
}

// Walk yields the inputs at path, a file or a directory of any layout, in the order of their names. What cannot be read is
// yielded as an error, and the walk goes on. What go-fuzz writes about its crashers and its suppressions are no inputs.
func Walk(path string) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		files := 0
		err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			name := d2name(p, d)
			switch {
			case err != nil:
				if !yield(File{Path: p}, err) {
					return fs.SkipAll
				}
				return nil
			case d.IsDir():
				rel, _ := filepath.Rel(path, p)
				if p != path && (name == "suppressions" || name[0] == '.' || strings.Count(rel, string(filepath.Separator)) >= MaxDepth) {
					return fs.SkipDir
				}
				return nil
			case p != path && (name[0] == '.' || !isInput(p)):
				return nil
			case files == MaxFiles:
				return fmt.Errorf("%s: more than %d files", path, MaxFiles)
			}
			files++
			if !yield(Read(p)) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(File{Path: path}, err)
		}
	}
}

// d2name is the last element of a walked path; d is nil if the root cannot be looked at.
func d2name(p string, d fs.DirEntry) string {
	if d == nil {
		return filepath.Base(p)
	}
	return d.Name()
}

// isInput tells inputs from what go-fuzz writes beside its crashers.
func isInput(path string) bool {
	ext := filepath.Ext(path)
	return filepath.Base(filepath.Dir(path)) != "crashers" || ext != ".output" && ext != ".quoted"
}

// Path is where Write puts data.
func Path(dir string, format Format, data []byte) string {
	switch format {
	case Native:
		return filepath.Join(dir, nativeName(FormatNative(data)))
	case GoFuzz:
		return filepath.Join(dir, "corpus", fmt.Sprintf("%x", sha1.Sum(data)))
	}
	return filepath.Join(dir, fmt.Sprintf("%x", sha1.Sum(data)))
}

// Write writes data into dir in a format, under the name that the fuzzer itself would give it, and returns its path. For
// Native, dir is testdata/fuzz/FuzzX; for GoFuzz the work directory. Data that is there already is left alone.
func Write(dir string, format Format, data []byte) (path string, err error) {
	if len(data) > MaxData {
		return "", fmt.Errorf("input of %d bytes: at most %d", len(data), MaxData)
	}
	path = Path(dir, format, data)
	file := data
	if format == Native {
		file = FormatNative(data)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return path, nil
	}
	if err != nil {
		return "", err
	}
	_, err = f.Write(file)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return path, nil
}
