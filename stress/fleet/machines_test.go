package fleet

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tracehammer/crashers"
	"tracehammer/stress/campaign"
)

// TestOtherArchitecture: who begins the campaign cannot run the machine of another architecture, and the worker runs nothing else. Each
// does its own seeds, and what the worker kept and found is in the state directory of the one that began it.
func TestOtherArchitecture(t *testing.T) {
	if os.Getenv("TRACEHAMMER_TEST_ALL") == "" {
		t.Skip("SKIPPED, not passed: set TRACEHAMMER_TEST_ALL; it takes some minutes")
	}
	if _, err := exec.LookPath("qemu-system-aarch64"); err != nil {
		t.Skipf("SKIPPED, not passed: %v", err)
	}
	const elsewhere = "qemu:arm64"
	dir := t.TempDir()
	for _, b := range []struct{ out, arch, tags string }{{"stressd", "", ""}, {"stressd-arm64", "arm64", "agent"}} {
		c := exec.Command("go", "build", "-tags", b.tags, "-o", filepath.Join(dir, b.out), "tracehammer/cmd/stressd")
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if b.arch != "" {
			c.Env = append(c.Env, "GOARCH="+b.arch)
		}
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", b.out, err, out)
		}
	}
	stressd, state, workerState := filepath.Join(dir, "stressd"), filepath.Join(dir, "leader"), filepath.Join(dir, "worker")
	if out, err := exec.Command(stressd, "vm", "fetch", "arm64").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, not passed: no kernel for %s: %v\n%s", elsewhere, err, out)
	}
	url := startServer(t, nil).ClientURL()
	var out, errs bytes.Buffer
	leader := exec.Command(stressd, "run", "--for", "3m", "--target", "engine", "--target", elsewhere, "--state", state, "--nats", url, "--json")
	leader.Env = append(os.Environ(), "PATH="+dir) // where no emulator is
	leader.Stdout = &out
	if err := leader.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { leader.Process.Kill() }) //nolint:errcheck // it is gone already
	f := join2(t, url, "tracehammer")
	waitFor(t, "a campaign", func() bool {
		a, err := f.About(t.Context())
		return err == nil && a != nil
	})
	worker := exec.Command(stressd, "worker", "--join", url, "--target", elsewhere, "--state", workerState)
	worker.Stderr = &errs
	worker.Run() //nolint:errcheck // its exit code says more
	if code := worker.ProcessState.ExitCode(); code != 0 && code != 2 {
		t.Errorf("the worker ends with %d: %s", code, errs.String())
	}
	leader.Wait() //nolint:errcheck // likewise
	if code := leader.ProcessState.ExitCode(); code != 0 && code != 2 {
		t.Errorf("the leader ends with %d", code)
	}

	skipped := false
	for line := range bytes.Lines(out.Bytes()) {
		var e struct {
			Event string
			campaign.Skip
		}
		if json.Unmarshal(line, &e) == nil && e.Event == e.EventName() {
			skipped = skipped || e.Target == elsewhere && e.Scenario == ""
		}
	}
	if !skipped {
		t.Errorf("the leader did not skip %s", elsewhere)
	}
	about, err := f.About(t.Context())
	if err != nil || about == nil {
		t.Fatalf("%+v, %v", about, err)
	}
	f.campaign = about.Campaign
	keys, err := f.kv.ListKeysFiltered(t.Context(), f.key("pool", "*"))
	if err != nil {
		t.Fatal(err)
	}
	seeds := map[string]uint64{}
	for k := range keys.Keys() {
		e, err := f.kv.Get(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		var g campaign.Ledger
		if err := json.Unmarshal(e.Value(), &g); err != nil {
			t.Fatal(err)
		}
		for _, p := range g.Pools {
			name, where, _ := strings.Cut(p.Target, " on ")
			seeds[name] += p.Next
			if name == elsewhere && !strings.Contains(where, "arm64") {
				t.Errorf("seeds of %s are leased as %q", elsewhere, p.Target)
			}
		}
	}
	if seeds["engine"] == 0 || seeds[elsewhere] == 0 {
		t.Errorf("leased: %v", seeds)
	}
	mine, theirs := keptIn(t, state, elsewhere), keptIn(t, workerState, elsewhere)
	for name := range theirs {
		if !mine[name] {
			t.Errorf("%s, which the worker kept, is not there", name)
		}
	}
	has := findings(t, state)
	for id := range findings(t, workerState) {
		if !has[id] {
			t.Errorf("finding %s of the worker is lost", id)
		}
	}
	t.Logf("seeds leased: %v; scenarios kept: %d; findings: %d", seeds, len(theirs), len(has))
}

// keptIn are the names of the scenarios of a target that a state directory has.
func keptIn(t *testing.T, state, target string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	r, err := crashers.OpenReader(state)
	if err != nil {
		t.Fatal(err)
	}
	files, err := r.Kept(target)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names[filepath.Base(f)] = true
	}
	return names
}
