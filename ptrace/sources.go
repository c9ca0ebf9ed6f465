package ptrace

import "embed"

// Sources are the files of this package: what rules they cite says where a rule is implemented (stress/rules).
//
//go:embed *.go
var Sources embed.FS
