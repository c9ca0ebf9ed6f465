//go:build agent

package main

import (
	"errors"

	"tracehammer/stress/campaign"
)

// A stressd for machines serves no pages: it is smaller by what that takes.
type webFlags struct{}

func (webFlags) beside(_ *app, _ string, r campaign.Reporter, run func(campaign.Reporter) error) error {
	return run(r)
}

type serveCmd struct{}

// Run implements kong's command.
func (serveCmd) Run(*app) error {
	return errors.New("this stressd was built with -tags agent, for machines: it has no pages")
}
