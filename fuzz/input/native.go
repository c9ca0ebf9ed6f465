package input

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
)

// nativeHeader is the first line of a seed or a crasher of native Go fuzzing; a Go literal for each argument follows, a
// line each. The targets here have one, of type []byte.
const nativeHeader = "go test fuzz v1"

// IsNative says whether file is in the format of native Go fuzzing.
func IsNative(file []byte) bool {
	first, _, _ := bytes.Cut(file, []byte("\n"))
	return string(bytes.TrimRight(first, "\r")) == nativeHeader
}

// ParseNative returns the one []byte argument in a file of native Go fuzzing.
func ParseNative(file []byte) ([]byte, error) {
	if !IsNative(file) {
		return nil, errors.New("line 1: want " + strconv.Quote(nativeHeader))
	}
	var data []byte
	found := 0
	for i, line := range bytes.Split(file, []byte("\n"))[1:] {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if found > 0 {
			return nil, fmt.Errorf("line %d: a second argument; the targets have one", i+2)
		}
		literal, begins := bytes.CutPrefix(line, []byte("[]byte("))
		literal, ends := bytes.CutSuffix(literal, []byte(")"))
		if !begins || !ends || len(literal) == 0 || literal[0] == '\'' {
			return nil, fmt.Errorf("line %d: want []byte(\"...\"), got %.40q", i+2, line)
		}
		text, err := strconv.Unquote(string(literal))
		if err != nil {
			return nil, fmt.Errorf("line %d: string literal: %w", i+2, err)
		}
		data, found = []byte(text), found+1
	}
	if found == 0 {
		return nil, errors.New("line 2: no argument")
	}
	return data, nil
}

// FormatNative is the inverse of ParseNative.
func FormatNative(data []byte) []byte {
	return fmt.Appendf(nil, "%s\n[]byte(%q)\n", nativeHeader, data)
}

// nativeName is what native fuzzing calls a file with that content.
func nativeName(file []byte) string { return fmt.Sprintf("%x", sha256.Sum256(file))[:16] }
