package campaign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"time"
)

// Limits bound what a campaign takes of its machine.
type Limits struct {
	Memory Size `toml:"memory" json:"memory"` // of this process, in bytes; machines have their own
	Disk   Size `toml:"disk" json:"disk"`     // of the state directory, in bytes
}

// DefaultLimits are for a machine that has other things to do.
var DefaultLimits = Limits{Memory: 512 << 20, Disk: 2 << 30}

// or is the limits, those that are not set taken from o.
func (l Limits) or(o Limits) Limits {
	if l.Memory == 0 {
		l.Memory = o.Memory
	}
	if l.Disk == 0 {
		l.Disk = o.Disk
	}
	return l
}

// Size is a number of bytes that people write as "512MiB".
type Size int64

// leastLimit is the least that a limit may be, in bytes: what a campaign of one target takes.
const leastLimit = 32 << 20

var sizeText = regexp.MustCompile(`^([0-9]+)\s*([KMGT]iB)$`)

// units are the powers of 1024.
var units = []string{"KiB", "MiB", "GiB", "TiB"}

func (s Size) String() string {
	n, unit := float64(s), "B"
	for _, u := range units {
		if n < 1024 {
			break
		}
		n, unit = n/1024, u
	}
	return fmt.Sprintf("%.4g %s", n, unit)
}

// UnmarshalText reads a size, for flags.
func (s *Size) UnmarshalText(b []byte) error {
	m := sizeText.FindSubmatch(b)
	if m == nil {
		return errors.New("expected a size such as \"512MiB\" or \"2GiB\"")
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	for _, u := range units {
		if n > 1<<52 || n == 0 {
			return errors.New("expected a size that there may be, such as \"512MiB\"")
		}
		n *= 1024
		if u == string(m[2]) {
			break
		}
	}
	if err == nil && n < leastLimit {
		return fmt.Errorf("expected a size of at least %v: a campaign cannot live with less", Size(leastLimit))
	}
	*s = Size(n)
	return err
}

// UnmarshalJSON reads a number of bytes, as events have it.
func (s *Size) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*int64)(s)) }

// UnmarshalTOML reads a size in a campaign file.
func (s *Size) UnmarshalTOML(v any) error {
	t, _ := v.(string)
	return s.UnmarshalText([]byte(t))
}

// MemoryError ends a campaign that holds more memory than it may, although the garbage collector does all it can.
type MemoryError struct{ Held, Limit Size }

func (e *MemoryError) Error() string {
	return fmt.Sprintf("%v of memory in use, the limit is %v: the campaign is stopped, the same command goes on with it; a higher limit is --memory or limits.memory", e.Held, e.Limit)
}

const (
	memoryEvery = 5 * time.Second
	// memoryOver: so many looks in a row must show more than the limit and a quarter. The collector may be behind once.
	memoryOver = 6
)

// limitMemory makes the collector keep to the limit, unless the user told it one of his own by GOMEMLIMIT.
func limitMemory(limit Size) (undo func()) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	old := debug.SetMemoryLimit(int64(limit))
	return func() { debug.SetMemoryLimit(old) }
}

// watchMemory returns a MemoryError when the process holds too much for long, nil when ctx is done.
func watchMemory(ctx context.Context, limit Size, every time.Duration, held func() Size) error {
	t := time.NewTicker(every)
	defer t.Stop()
	for over := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if n := held(); n <= limit+limit/4 {
			over = 0
		} else if over++; over == memoryOver {
			return &MemoryError{n, limit}
		}
	}
}

// heldMemory is what Go's runtime has of the system and has not given back.
func heldMemory() Size {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return Size(s[0].Value.Uint64() - s[1].Value.Uint64())
}

// residentMemory is what the process has in memory; 0 if that cannot be told.
func residentMemory() Size {
	b, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(b)
	if err != nil || len(fields) < 2 {
		return 0
	}
	n, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return Size(n * int64(os.Getpagesize()))
}
