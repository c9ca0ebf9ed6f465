//go:build !gofuzz

package corpus

import "embed"

//go:embed seeds
var seedFiles embed.FS
