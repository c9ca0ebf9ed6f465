//go:build !agent

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"tracehammer/stress/campaign"
)

type initCmd struct {
	File string `arg:"" optional:"" default:"campaign.toml" placeholder:"FILE" help:"Campaign file to write (default: ${default}). It must not be there."`
}

func (initCmd) Help() string {
	return `Writes a campaign file with the targets that this machine can run (stressd doctor, stressd vm list) and says in comments what else can be set.

Examples:

    stressd init
    stressd run --campaign campaign.toml`
}

// Run implements kong's command.
func (i *initCmd) Run(a *app) error {
	if err := campaign.InitCampaign(i.File); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "wrote %s: stressd run --campaign %[1]s\n", i.File)
	return nil
}

type statusCmd struct {
	stateFlag
	jsonFlag
}

func (statusCmd) Help() string {
	return `Says how the campaign does that runs in a state directory, or how far the last one came: a stopped or killed one goes on when the same command is given again.

Examples:

    stressd status --state state
    stressd status --state state --json | jq .targets`
}

// Run implements kong's command.
func (s *statusCmd) Run(a *app) error {
	dir, err := s.dir()
	if err != nil {
		return err
	}
	st, err := campaign.ReadStatus(dir)
	if err != nil {
		return err
	}
	if s.JSON {
		return campaign.WriteJSON(a.out, st.EventName(), st)
	}
	return st.Text(a.out)
}

// defaultFor is how long a campaign lasts when neither flag nor file say.
const defaultFor = time.Minute

// config is what the flags and the campaign file say.
func (r *runCmd) config() (cfg campaign.Config, err error) {
	cfg = campaign.Config{Workers: r.Workers, Seed: rand.Uint64(), Drawn: r.Seed == nil, Runs: r.Runs, Fresh: r.Fresh, State: r.State,
		Limits: campaign.Limits{Memory: r.Memory, Disk: r.Disk}}
	if r.For != nil && *r.For < 0 || r.Workers < 0 {
		return cfg, errors.New("--for and --workers must not be negative")
	}
	if r.Seed != nil {
		cfg.Seed = *r.Seed
	}
	if cfg.Targets, err = targets(r.Target); err != nil {
		return cfg, err
	}
	cfg.For = defaultFor
	files, profile := r.Files, r.Profile
	if r.Campaign != "" {
		f, err := campaign.ReadCampaignFile(r.Campaign)
		if err != nil {
			return cfg, err
		}
		if files, err = f.Apply(&cfg, files); err != nil {
			return cfg, err
		}
		if profile == "" {
			profile = string(f.Profile)
		}
	}
	if r.For != nil {
		cfg.For = *r.For
	}
	if len(cfg.Targets) == 0 {
		cfg.Targets = []string{"engine", "host"}
	}
	named := cfg.Targets
	if cfg.Targets, err = campaign.WithProfile(named, profile); err != nil {
		return cfg, err
	}
	for i, name := range named { // weights are of targets as they are called in the end
		if w, ok := cfg.Weights[name]; ok {
			cfg.Weights[cfg.Targets[i]] = w
		}
	}
	if cfg.Scenarios, err = campaign.Load(files); err != nil {
		return cfg, err
	}
	cfg.Named = len(files) > 0
	if cfg.State == "" {
		cfg.State, err = campaign.DefaultState()
	}
	return cfg, err
}
