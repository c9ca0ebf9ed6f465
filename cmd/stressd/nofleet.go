//go:build agent

package main

import (
	"errors"

	"tracehammer/stress/campaign"
)

// A stressd that is built for machines knows no fleets: it is booted again and again, and what it does not use takes time.

type runFleet struct{}

func (runFleet) run(a *app, cfg campaign.Config) (campaign.Summary, error) {
	return campaign.Run(a.ctx, cfg)
}

type workerCmd struct{}

// Run implements kong's command.
func (workerCmd) Run(*app) error {
	return errors.New("worker: this stressd was built for machines (-tags agent)")
}
