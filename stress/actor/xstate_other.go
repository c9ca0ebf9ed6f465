//go:build !amd64 && !386

package actor

// xstateSize is 0: there is no NT_X86_XSTATE.
func xstateSize() uint32 { return 0 }
