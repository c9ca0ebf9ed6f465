//go:build !agent

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"tracehammer/corpus"
	"tracehammer/stress/campaign"
	"tracehammer/stress/fleet"
)

// fleetFlags say how to come into a fleet. What is secret is in files: command lines are for everybody to see.
type fleetFlags struct {
	Fleet     string `default:"tracehammer" placeholder:"NAME" help:"Name of the fleet: one server can have several (default: ${default})."`
	NatsLogin string `placeholder:"FILE" help:"USER:PASSWORD for NATS, or a token, in one line."`
	NatsNkey  string `name:"nats-nkey" placeholder:"FILE" help:"Seed of an NKey for NATS."`
	NatsCreds string `placeholder:"FILE" help:"Credentials for NATS: a JWT and the seed of its NKey."`
	NatsCA    string `name:"nats-ca" placeholder:"FILE" help:"Certificates of the authorities that NATS's is of (default: the system's)."`
	NatsCert  string `placeholder:"FILE" help:"Certificate to show to NATS."`
	NatsKey   string `placeholder:"FILE" help:"Key of that certificate."`
}

func (f *fleetFlags) options(url string) (fleet.Options, error) {
	o := fleet.Options{URL: url, Name: f.Fleet, Login: f.NatsLogin, NKey: f.NatsNkey, Creds: f.NatsCreds, CA: f.NatsCA, Cert: f.NatsCert,
		Key: f.NatsKey, Program: version()}
	return o, o.Check()
}

// runFleet are the flags of run.
type runFleet struct {
	Nats string `placeholder:"URL" help:"Share the campaign with workers (stressd worker) over NATS JetStream, at nats://HOST:PORT or tls://HOST:PORT; several with commas between."`
	fleetFlags
}

// run runs a campaign, alone or with others.
func (f *runFleet) run(a *app, cfg campaign.Config) (campaign.Summary, error) {
	if f.Nats == "" {
		return campaign.Run(a.ctx, cfg)
	}
	opt, err := f.options(f.Nats)
	if err != nil {
		return campaign.Summary{}, err
	}
	return inFleet(a, opt, cfg, func(*fleet.Fleet, *campaign.Config) error { return nil })
}

// inFleet joins a fleet, prepares and runs a campaign.
func inFleet(a *app, opt fleet.Options, cfg campaign.Config, prepare func(*fleet.Fleet, *campaign.Config) error) (sum campaign.Summary, err error) {
	f, err := fleet.Join(a.ctx, opt)
	if err != nil {
		return sum, err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	if err := prepare(f, &cfg); err != nil {
		return sum, err
	}
	cfg.Fleet = f
	return campaign.Run(a.ctx, cfg)
}

type workerCmd struct {
	Join string `required:"" placeholder:"URL" help:"NATS server of the fleet: nats://HOST:PORT or tls://HOST:PORT; several with commas between."`
	fleetFlags
	Target  []string      `sep:"none" placeholder:"TARGET" help:"Only these of the campaign's targets (default: all that this machine can run)."`
	Workers int           `help:"Workers per target (default: one for each two CPUs)."`
	Memory  campaign.Size `placeholder:"SIZE" help:"Memory that stressd may use, machines not counted (default: 512MiB)."`
	Disk    campaign.Size `placeholder:"SIZE" help:"Space that the state directory may take (default: 2GiB)."`
	stateFlag
	jsonFlag
}

func (workerCmd) Help() string {
	return `Takes part in the campaign that a stressd run --nats began, on any machine and architecture, until it is over. The campaign says what is run; what cannot run here others run. Work that a worker had leased when it was lost is leased again. Findings are filed here as well as there, once; what one keeps all vary. Every process must be the same version.

A worker has a state directory of its own (default: worker in that of stressd); started again with it, it goes on.

Examples:

    nats-server -js
    stressd run --for 8h --nats nats://server:4222
    stressd worker --join nats://server:4222
    stressd worker --join tls://nats.example.org --nats-creds worker.creds --target qemu:s390x
    stressd worker --join nats://server:4222 --nats-login login`
}

// Run implements kong's command.
func (w *workerCmd) Run(a *app) error {
	if w.Workers < 0 {
		return errors.New("--workers must not be negative")
	}
	opt, err := w.options(w.Join)
	if err != nil {
		return err
	}
	cfg := campaign.Config{Workers: w.Workers, State: w.State, Drawn: true, Seed: rand.Uint64(), Limits: campaign.Limits{Memory: w.Memory, Disk: w.Disk}}
	if cfg.State == "" {
		dir, err := campaign.DefaultState()
		if err != nil {
			return err
		}
		cfg.State = filepath.Join(dir, "worker")
	}
	only, err := targets(w.Target)
	if err != nil {
		return err
	}
	text := &campaign.Text{Out: a.out, Err: a.err, TTY: a.tty}
	cfg.Reporter = text
	if w.JSON {
		text.Out = os.Stderr
		cfg.Reporter = campaign.Tee{&campaign.Seldom{Reporter: campaign.JSON{W: a.out}}, text}
	}
	sum, err := inFleet(a, opt, cfg, func(f *fleet.Fleet, cfg *campaign.Config) error { return w.prepare(a, f, cfg, only) })
	switch {
	case err != nil:
		return err
	case sum.NewFindings > 0:
		return status(exitFindings)
	}
	return nil
}

// prepare takes over what the fleet works on.
func (w *workerCmd) prepare(a *app, f *fleet.Fleet, cfg *campaign.Config, only []string) error {
	about, err := f.Work(a.ctx)
	if err != nil {
		return err
	}
	if about == nil {
		return fmt.Errorf("the fleet %s works on nothing: stressd run --nats begins a campaign", w.Fleet)
	}
	cfg.ID, cfg.Seed, cfg.Named = about.Campaign, about.Seed, len(about.Scenarios) > 0
	for _, t := range about.Targets {
		if len(only) == 0 {
			cfg.Targets = append(cfg.Targets, t)
		}
		for _, o := range only {
			if o == t {
				cfg.Targets = append(cfg.Targets, t)
			}
		}
	}
	if len(cfg.Targets) == 0 {
		return fmt.Errorf("the campaign runs on none of these targets, but on %v", about.Targets)
	}
	if !cfg.Named {
		cfg.Scenarios, err = campaign.Load(nil)
		return err
	}
	for n, text := range about.Scenarios {
		s, err := corpus.Parse(fmt.Sprintf("scenario %d of the campaign", n), []byte(text))
		if err == nil {
			err = s.Validate()
		}
		if err != nil {
			return err
		}
		cfg.Scenarios = append(cfg.Scenarios, s)
	}
	return nil
}
