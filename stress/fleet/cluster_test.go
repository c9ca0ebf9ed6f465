package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"tracehammer/crashers"
	"tracehammer/stress/campaign"
)

// startCluster starts three servers that know each other.
func startCluster(t *testing.T) (servers []*server.Server, urls string) {
	t.Helper()
	var routes []*url.URL
	var ports []int
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var clients []string
	for n, port := range ports {
		servers = append(servers, newServer(t, func(o *server.Options) {
			o.ServerName = fmt.Sprint("server", n)
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port}
			o.Routes = routes
		}))
	}
	for _, s := range servers { // none is ready before there is a majority
		if !s.ReadyForConnections(2 * time.Minute) {
			t.Fatal("a server does not start")
		}
		clients = append(clients, s.ClientURL())
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		ready := 0
		for _, s := range servers {
			if s.JetStreamIsCurrent() {
				ready++
			}
		}
		if ready == len(servers) {
			return servers, strings.Join(clients, ",")
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of the servers are ready", ready)
		}
	}
}

// process is a stressd with what it says.
type process struct {
	*exec.Cmd
	out, err bytes.Buffer
}

func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(program, args...)}
	p.Stdout, p.Stderr = &p.out, &p.err
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() }) //nolint:errcheck // it is gone already
	return p
}

// TestCluster: a campaign on a cluster of three servers goes on when a server is lost, when workers are killed, and when others come; all
// seeds have their turn, no lease stays with the dead, and what the workers found is in the state directory of the one that began it.
func TestCluster(t *testing.T) {
	if os.Getenv("TRACEHAMMER_TEST_ALL") == "" {
		t.Skip("SKIPPED, not passed: set TRACEHAMMER_TEST_ALL; it takes some minutes")
	}
	dir := t.TempDir()
	stressd := filepath.Join(dir, "stressd")
	if out, err := exec.Command("go", "build", "-o", stressd, "tracehammer/cmd/stressd").CombinedOutput(); err != nil {
		t.Fatalf("build stressd: %v\n%s", err, out)
	}
	servers, urls := startCluster(t)
	const target = "engine:listen-error+continued-lost+siginfo-stays"
	state := filepath.Join(dir, "leader")
	leader := start(t, stressd, "run", "--for", "90s", "--target", target, "--seed", "1", "--state", state, "--nats", urls, "--json")
	watcher := join2(t, urls, "tracehammer")
	waitFor(t, "a campaign", func() bool {
		a, err := watcher.About(t.Context())
		return err == nil && a != nil
	})
	worker := func(n int) *process {
		return start(t, stressd, "worker", "--join", urls, "--state", filepath.Join(dir, fmt.Sprint("worker", n)))
	}
	workers := []*process{worker(0), worker(1)}
	busy := func() int { // leases of workers
		there, err := watcher.there(t.Context())
		if err != nil {
			return 0
		}
		return len(there)
	}
	waitFor(t, "two workers", func() bool { return busy() >= 4 }) // with the leader and the watcher

	about, err := watcher.About(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	watcher.campaign = about.Campaign
	waitFor(t, "a lease of the first worker", func() bool { return leases(watcher, target, workers[0]) })
	workers[0].Process.Kill() //nolint:errcheck // that is the point
	workers[0].Wait()         //nolint:errcheck // likewise
	servers[2].Shutdown()
	servers[2].WaitForShutdown()
	workers = append(workers, worker(2))
	waitFor(t, "a third worker", func() bool {
		there, err := watcher.there(t.Context())
		n := 0
		for name := range there {
			if strings.Contains(name, fmt.Sprintf("-%d-", workers[2].Process.Pid)) {
				n++
			}
		}
		return err == nil && n > 0
	})
	watcher.Close() //nolint:errcheck // one server is gone
	err = leader.Wait()
	if code := leader.ProcessState.ExitCode(); code != 2 {
		t.Fatalf("the leader ends with %v\n%s\n%s", err, leader.out.String(), leader.err.String())
	}
	for _, w := range workers[1:] {
		err := w.Wait()
		if code := w.ProcessState.ExitCode(); code != 0 && code != 2 {
			t.Errorf("a worker ends with %v\n%s", err, w.err.String())
		}
	}
	// What the fleet has: every seed was leased and none is left with somebody.
	after := join2(t, servers[0].ClientURL(), "tracehammer")
	about, err = after.About(t.Context())
	if err != nil || about == nil || !about.Over {
		t.Fatalf("the campaign is not over: %+v, %v", about, err)
	}
	after.campaign = about.Campaign
	err = after.change(t.Context(), target, func(g *campaign.Ledger) error {
		for _, p := range g.Pools {
			if len(p.Out) > 0 {
				t.Errorf("still leased: %+v", p)
			}
			if p.End > 0 && p.Next != p.End {
				t.Errorf("not all seeds were leased: %+v", p)
			}
			t.Logf("%s: %d leased, %v of them not done", p.Strategy, p.Next, p.Again)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	has := findings(t, state)
	for n := range 3 {
		for id := range findings(t, filepath.Join(dir, fmt.Sprint("worker", n))) {
			if !has[id] && n != 0 { // the killed one's go on being its own until it is started again
				t.Errorf("finding %s of worker %d is lost", id, n)
			}
		}
	}
	members := 0
	for line := range bytes.Lines(leader.out.Bytes()) {
		var e struct {
			Event   string
			Members []campaign.Member
		}
		if json.Unmarshal(line, &e) == nil && e.Event == "summary" {
			members = len(e.Members)
		}
	}
	if len(has) == 0 || members < 2 {
		t.Errorf("%d findings, %d other processes", len(has), members)
	}
	t.Logf("%d findings, %d other processes", len(has), members)
}

// leases says whether a process has work.
func leases(f *Fleet, target string, p *process) (has bool) {
	look := &badError{"look", errors.New("nothing is changed")}
	f.change(context.Background(), target, func(g *campaign.Ledger) error { //nolint:errcheck // it is look
		for _, pool := range g.Pools {
			for _, o := range pool.Out {
				has = has || strings.Contains(o.By, fmt.Sprintf("-%d-", p.Process.Pid))
			}
		}
		return look
	})
	return has
}

func join2(t *testing.T, url, name string) *Fleet {
	t.Helper()
	f, err := Join(t.Context(), Options{URL: url, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) //nolint:errcheck // its server may be gone
	return f
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func findings(t *testing.T, state string) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	r, err := crashers.OpenReader(state)
	if err != nil {
		return ids // it did not come to it
	}
	metas, err := r.List()
	if err != nil {
		t.Error(err)
	}
	for _, m := range metas {
		ids[m.ID] = true
	}
	return ids
}
