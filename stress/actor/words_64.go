//go:build !386

package actor

const (
	// wordSize is that of a long and of a pointer in what calls take and give.
	wordSize = 8
	// siFields is where a siginfo's part begins that depends on the signal.
	siFields = 16
)
