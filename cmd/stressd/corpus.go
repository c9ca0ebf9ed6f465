//go:build !agent

package main

import (
	"errors"

	"tracehammer/fuzz/collection"
	"tracehammer/stress/campaign"
)

// config is what the commands about corpora have in common.
func (a *app) corpusConfig(paths []string, out, format string, m measureFlag, json bool) (campaign.CorpusConfig, error) {
	cfg := campaign.CorpusConfig{Paths: paths, Out: out, Runs: m.Runs, Seed: m.Seed, Reporter: a.reporter(json, campaign.CorpusText{Out: a.out})}
	if m.Runs < 1 {
		return cfg, errors.New("--runs must be at least 1")
	}
	var err error
	cfg.Format, err = collection.ParseFormat(format)
	return cfg, err
}

// Run implements kong's command.
func (c *convertCmd) Run(a *app) error {
	cfg, err := a.corpusConfig(c.Paths, c.Out, c.To, measureFlag{Runs: 1}, c.JSON)
	if err != nil {
		return err
	}
	return campaign.ConvertCorpus(cfg)
}

// Run implements kong's command.
func (m *mergeCmd) Run(a *app) error {
	cfg, err := a.corpusConfig(m.Paths, m.Out, m.To, m.measureFlag, m.JSON)
	if err != nil {
		return err
	}
	return campaign.MergeCorpus(a.ctx, cfg)
}

// Run implements kong's command.
func (m *minimizeCorpusCmd) Run(a *app) error {
	cfg, err := a.corpusConfig(m.Paths, m.Out, m.To, m.measureFlag, m.JSON)
	if err != nil {
		return err
	}
	return campaign.MinimizeCorpus(a.ctx, cfg)
}

// Run implements kong's command.
func (s *statsCmd) Run(a *app) error {
	cfg, err := a.corpusConfig(s.Paths, "", collection.Text.String(), s.measureFlag, s.JSON)
	if err != nil {
		return err
	}
	if s.Generated < 0 {
		return errors.New("--generated must not be negative")
	}
	targets, err := targets(s.Target)
	if err != nil {
		return err
	}
	return campaign.StatsCorpus(a.ctx, campaign.StatsConfig{CorpusConfig: cfg, Targets: targets, Generated: s.Generated})
}
