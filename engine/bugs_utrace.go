package engine

// Planted bugs of utrace itself: what can go wrong between a task, its reports and the engines attached to it.
const (
	NumBugs Bug = numKernelBugs + iota
)

var utraceBugs = [NumBugs - numKernelBugs]bugRow{}
