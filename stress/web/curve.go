package web

type curvePage struct {
	Problem, Text string
	Chart         Chart
	Turns         []turn
}

type turn struct {
	N                   int
	What, Before, After string
}
