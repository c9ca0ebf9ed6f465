//go:build !gofuzz

package crashers

import _ "embed"

//go:embed repro/runtime.c
var runtimeC string
