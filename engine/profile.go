package engine

// Profile is the set of named switches for behaviours that differ between kernels. The zero Profile is Linux 6.18.
type Profile struct {
	Name string
}

// BugSet is a set of planted bugs; none is on unless asked for.
type BugSet uint64
