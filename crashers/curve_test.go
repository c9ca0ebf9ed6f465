package crashers

import (
	"math"
	"strings"
	"testing"
)

// TestInterval: numbers that others have computed (R's binom::binom.wilson), and that no interval leaves 0 to 1.
func TestInterval(t *testing.T) {
	for _, c := range []struct {
		hits, runs int
		lo, hi     float64
	}{{0, 10, 0, 0.2775}, {10, 10, 0.7225, 1}, {5, 10, 0.2366, 0.7634}, {1, 64, 0.0028, 0.0833}} {
		p := CurvePoint{Hits: c.hits, Runs: c.runs}
		if lo, hi := p.Interval(); math.Abs(lo-c.lo) > 1e-4 || math.Abs(hi-c.hi) > 1e-4 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.4f to %.4f", c.hits, c.runs, lo, hi, c.lo, c.hi)
		}
	}
}

// TestDecodeCurve: what is no curve is refused, and text in it is printable.
func TestDecodeCurve(t *testing.T) {
	for _, bad := range []string{"", "{", `{"points":[{"hits":2,"runs":1}]}`, `{"points":[{"hits":-1,"runs":1}]}`, `{"points":[{"runs":0}]}`, `{"points":[{"decisions":1,"runs":1},{"decisions":1,"runs":1}]}`,
		`{"points":[` + strings.Repeat(`{"runs":1},`, maxCurve) + `{"runs":1}]}`} {
		if _, err := decodeCurve([]byte(bad)); err == nil {
			t.Errorf("%.50s is a curve", bad)
		}
	}
	c, err := decodeCurve([]byte(`{"points":[{"decisions":3,"what":"\u001b[2J","hits":1,"runs":2}]}`))
	if err != nil || c.Points[0].Share() != 0.5 || c.Points[0].What != `\x1b[2J` {
		t.Errorf("%+v, %v", c, err)
	}
}
