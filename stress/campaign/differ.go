package campaign

import (
	"tracehammer/engine"
	"tracehammer/stress/coverage"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
)

// differ tells what one kernel shows from what another kernel would, and names what of the profile explains it.
type differ struct {
	reference, profile engine.Profile
	oracles            map[engine.Profile]*oracle.Oracle
	seen               map[uint64]bool     // outcomes of the scenario at hand: whether they differ
	features           map[string]struct{} // what explains those that the reference has not
	undecided          bool                // some search for that was cut short
	stray              bool                // some outcome is none of the profile's kernel either
}

func newDiffer(reference, profile engine.Profile) *differ {
	return &differ{reference: reference, profile: profile, oracles: map[engine.Profile]*oracle.Oracle{}}
}

// begin forgets the scenario before.
func (d *differ) begin() {
	d.seen, d.features, d.undecided, d.stray = map[uint64]bool{}, map[string]struct{}{}, false, false
}

// admits says whether a kernel of the profile may do what h shows.
func (d *differ) admits(profile engine.Profile, p *engine.Program, h *history.History) bool {
	profile.Name = ""
	o := d.oracles[profile]
	if o == nil {
		o = newOracle(profile)
		d.oracles[profile] = o
	}
	v := o.Judge(p, h)
	if v.Kind == oracle.Unknown {
		d.undecided = true
	}
	return v.Kind == oracle.Admitted || v.Kind == oracle.HangPredicted || v.Kind == oracle.Hang && v.Predicted
}

// look compares a run with what the reference may do, and says whether it differs and the profile explains why. Of runs that end
// alike only the first is looked at.
func (d *differ) look(p *engine.Program, h *history.History) (differs bool) {
	k := coverage.OutcomeOf(h)
	differs, again := d.seen[k]
	if again {
		return differs
	}
	differs = !d.admits(d.reference, p, h)
	if differs && !d.admits(d.profile, p, h) {
		differs, d.stray = false, true
	}
	if d.seen[k] = differs; !differs {
		return false
	}
	// Whatever of the profile can be taken away does not explain it. What is left is needed, each alone.
	left := d.profile
	for _, f := range profileFeatures(d.reference, d.profile) {
		if less := f.drop(left, d.reference); d.admits(less, p, h) {
			left = less
		} else {
			d.features[f.name] = struct{}{}
		}
	}
	return true
}

// feature is one way in which a profile differs from another.
type feature struct {
	name string
	drop func(p, reference engine.Profile) engine.Profile
}

// Names of features that are no switches.
const (
	registersOf      = "registers of "
	featureYama      = "Yama"
	featureNamespace = "user namespace"
)

func profileFeatures(reference, p engine.Profile) []feature {
	var list []feature
	for _, x := range (reference.Old ^ p.Old).List() {
		list = append(list, feature{x.String(), func(p, r engine.Profile) engine.Profile {
			p.Old = p.Old&^x.Set() | r.Old&x.Set()
			return p
		}})
	}
	if reference.Arch != p.Arch {
		list = append(list, feature{registersOf + p.Arch.String(), func(p, r engine.Profile) engine.Profile {
			p.Arch = r.Arch
			return p
		}})
	}
	if reference.Yama != p.Yama {
		list = append(list, feature{featureYama, func(p, r engine.Profile) engine.Profile {
			p.Yama = r.Yama
			return p
		}})
	}
	if reference.UserNamespace != p.UserNamespace || reference.Users != p.Users || reference.Groups != p.Groups {
		list = append(list, feature{featureNamespace, func(p, r engine.Profile) engine.Profile {
			p.UserNamespace, p.Users, p.Groups = r.UserNamespace, r.Users, r.Groups
			return p
		}})
	}
	return list
}
