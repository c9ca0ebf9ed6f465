//go:build !agent

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/sourcegraph/conc/panics"

	"tracehammer/crashers"
	"tracehammer/stress"
	"tracehammer/stress/campaign"
	"tracehammer/stress/web"
)

// accessFlags say who may see pages.
type accessFlags struct {
	TokenFile string `type:"path" placeholder:"FILE" help:"Pages want the token in that file, which only its owner may read (default: none on a loopback address; elsewhere one is drawn and printed)."`
}

// webFlags are of commands that can serve pages beside their work.
type webFlags struct {
	Web string `placeholder:"ADDR" help:"Serve pages on the campaign and its findings there meanwhile, 127.0.0.1:7420 for example."`
	accessFlags
}

type serveCmd struct {
	stateFlag
	Listen string `default:"127.0.0.1:7420" placeholder:"ADDR" help:"Address (default: ${default}); port 0 takes any free one."`
	accessFlags
}

func (serveCmd) Help() string {
	return `Shows what is in the state directory: campaigns, findings with the picture of the run that shows each, rules, the matrix, and metrics for Prometheus under /metrics. It only ever reads; a campaign may work on the directory meanwhile (stressd run --web shows that one live).

Without --token-file everybody on this machine may look, and nobody else can. On an address that is no loopback address pages want a token: the one of --token-file, or one that is drawn and printed once. A browser is asked for it; programs send "Authorization: Bearer TOKEN".

Examples:

    stressd serve
    stressd serve --state /var/tmp/night --listen 127.0.0.1:0
    stressd serve --listen 0.0.0.0:7420 --token-file ~/.tracehammer-token
    ssh -L 7420:127.0.0.1:7420 fuzzhost   # and http://localhost:7420 here`
}

// Run implements kong's command.
func (s *serveCmd) Run(a *app) error {
	dir, err := s.dir()
	if err != nil {
		return err
	}
	if _, err := crashers.OpenReader(dir); err != nil {
		return err
	}
	p, err := a.listen(s.Listen, s.accessFlags, dir)
	if err != nil {
		return err
	}
	if err := p.server.Serve(a.ctx, p.listener); err != nil {
		return err
	}
	return context.Cause(a.ctx)
}

// pages is a server of pages that is about to serve.
type pages struct {
	server   *web.Server
	listener net.Listener
}

// listen opens the address, and says on stderr where the pages are and what the token is if it is drawn.
func (a *app) listen(address string, access accessFlags, state string) (*pages, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("cannot serve pages on %q: %w: expected HOST:PORT, such as 127.0.0.1:8080", address, err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &stress.EnvError{What: "cannot serve pages on " + address, Err: errors.Unwrap(err), Hint: "name another address"}
	}
	who := web.Access{Loopback: web.IsLoopback(l)}
	said := ""
	switch {
	case access.TokenFile != "":
		if who.Token, err = web.ReadToken(access.TokenFile); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	case !who.Loopback:
		who.Token = web.NewToken()
		said = ", with the token " + who.Token
	}
	fmt.Fprintf(a.err, "pages on http://%s/%s\n", reachable(l.Addr()), said)
	return &pages{web.New(web.Config{State: state, Access: who, Version: version()}), l}, nil
}

// reachable is an address as somebody else would write it.
func reachable(at net.Addr) string {
	tcp, ok := at.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return at.String()
	}
	name, err := os.Hostname()
	if err != nil {
		return at.String()
	}
	return net.JoinHostPort(strings.ToLower(name), fmt.Sprint(tcp.Port))
}

// beside serves pages on a campaign until run, which works with the Reporter that it is given, returns.
func (w *webFlags) beside(a *app, state string, r campaign.Reporter, run func(campaign.Reporter) error) error {
	if w.Web == "" {
		if w.TokenFile != "" {
			return errors.New("--token-file is for --web")
		}
		return run(r)
	}
	p, err := a.listen(w.Web, w.accessFlags, state)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background()) // pages stay until the campaign is over, which a signal ends in its own time
	served := make(chan error, 1)
	go func() {
		var err error
		if died := panics.Try(func() { err = p.server.Serve(ctx, p.listener) }); died != nil {
			err = died.AsError()
		}
		served <- err
	}()
	err = run(campaign.Tee{r, p.server})
	stop()
	return errors.Join(err, <-served)
}
