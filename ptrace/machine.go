// Package ptrace is the ptrace system call as a client of utrace.
package ptrace

import "tracehammer/engine"

// NewMachine returns a machine whose ptrace system call is this package.
func NewMachine(p *engine.Program, o engine.Options) *engine.Machine { return engine.NewMachine(p, o) }
