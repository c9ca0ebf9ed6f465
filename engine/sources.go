//go:build !gofuzz

package engine

import "embed"

// Sources are the files of this package: what rules they cite says where a rule is implemented (stress/rules). go-fuzz-build
// cannot embed patterns.
//
//go:embed *.go
var Sources embed.FS
