package crashers

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"tracehammer/stress/history"
)

// Curve says of a finding with an exact schedule when it became inevitable: how many of the runs that follow the schedule for some
// decisions, and then go on at random, show it.
type Curve struct {
	Points []CurvePoint `json:"points"` // by Decisions, ascending
}

// CurvePoint is what runs showed that follow so many decisions.
type CurvePoint struct {
	Decisions int    `json:"decisions"`
	What      string `json:"what,omitempty"` // the last of these decisions let happen, in words
	Hits      int    `json:"hits"`
	Runs      int    `json:"runs"`
}

// Share is the part of the runs that show the finding.
func (p *CurvePoint) Share() float64 { return float64(p.Hits) / float64(max(p.Runs, 1)) }

// Interval is Wilson's 95 % interval of the probability that a run shows the finding (E. B. Wilson, JASA 22, 1927).
func (p *CurvePoint) Interval() (lo, hi float64) {
	if p.Runs == 0 {
		return 0, 1
	}
	const z = 1.96
	n, s := float64(p.Runs), p.Share()
	mid, half := s+z*z/(2*n), z*math.Sqrt(s*(1-s)/n+z*z/(4*n*n))
	return max(0, (mid-half)/(1+z*z/n)), min(1, (mid+half)/(1+z*z/n))
}

const maxCurve = 4096 // points

// decodeCurve reads what claims to be a curve.
func decodeCurve(data []byte) (*Curve, error) {
	var c Curve
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, errors.New(history.Printable(err.Error())) // it quotes the file
	}
	if len(c.Points) > maxCurve {
		return nil, fmt.Errorf("%d points, at most %d are believed", len(c.Points), maxCurve)
	}
	for i := range c.Points {
		p := &c.Points[i]
		if p.Hits < 0 || p.Runs < max(p.Hits, 1) || p.Decisions < 0 || i > 0 && p.Decisions <= c.Points[i-1].Decisions {
			return nil, fmt.Errorf("point %d: impossible numbers", i)
		}
		p.What = history.Printable(p.What)
	}
	return &c, nil
}
