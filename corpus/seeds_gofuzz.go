//go:build gofuzz

package corpus

import "embed"

// seedFiles is empty: go-fuzz-build cannot embed directories, and its fuzzers get their seeds as files.
var seedFiles embed.FS
