package schedule

import (
	"fmt"
	"strconv"
	"strings"
)

// Names lists the strategies as users write them.
const Names = "random, pct (depths 1 to 5 in turn), pct:1 to pct:9, pos, urw, surw, portfolio, replay:STREAM, mutate:STREAM, along:STREAM"

// Parse makes the strategy with that name; "" is random.
func Parse(name string) (Strategy, error) {
	kind, arg, has := strings.Cut(name, ":")
	switch {
	case kind == "pct" && has:
		d, err := strconv.Atoi(arg)
		if err != nil || d < 1 || d > maxDepth {
			return nil, fmt.Errorf("strategy %q: the depth is a number from 1 to %d", name, maxDepth)
		}
		return &pct{depth: d}, nil
	case kind == "replay" && has, kind == "mutate" && has, kind == "along" && has:
		s, err := ParseStream(arg)
		if err != nil {
			return nil, fmt.Errorf("strategy %s: %w", kind, err)
		}
		if kind == "mutate" {
			return &mutate{base: s}, nil
		}
		if kind == "along" {
			return &along{replay: replay{stream: s}}, nil
		}
		return Replay(s), nil
	case has:
		return nil, unknown(name)
	}
	switch kind {
	case "", "random":
		return &random{}, nil
	case "pct":
		return &pct{}, nil
	case "pos":
		return &pos{}, nil
	case "urw":
		return &urw{}, nil
	case "surw":
		return &surw{}, nil
	case "portfolio":
		return &portfolio{members: []Strategy{&random{}, &pct{}, &pos{}, &urw{}, &surw{}}}, nil
	}
	return nil, unknown(name)
}

func unknown(name string) error { return fmt.Errorf("unknown strategy %.40q; known: %s", name, Names) }
