//go:build gofuzz

package crashers

// runtimeC is empty: go-fuzz-build cannot embed files of other directories, and fuzzers write no reproducers.
var runtimeC string
