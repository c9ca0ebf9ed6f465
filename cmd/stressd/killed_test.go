//go:build !agent

package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"tracehammer/crashers"
	"tracehammer/stress/campaign"
)

// Planted bugs that seeds show, so that there are findings to lose.
const killedTarget = "engine:listen-error+continued-lost+siginfo-stays+exitkill-ignored+event-stop-sigtrap"

// TestKilled: a campaign that finds things is killed again and again, at random moments, and started again. The state directory can be
// read each time; what was seen is filed in the end, once; what was counted is never counted less; no process is left.
func TestKilled(t *testing.T) {
	const kills = 100
	if os.Getenv("TRACEHAMMER_TEST_ALL") == "" {
		t.Skip("SKIPPED, not passed: set TRACEHAMMER_TEST_ALL; resume.txtar kills a few times")
	}
	stressd := filepath.Join(t.TempDir(), "stressd")
	build := exec.Command("go", "build", "-o", stressd, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build stressd: %v\n%s", err, out)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	k := &killed{T: t, rng: rand.New(rand.NewPCG(seed, 0)), state: filepath.Join(t.TempDir(), "state"), ids: map[string]bool{}, coarse: map[string]string{}}
	args := []string{"run", "--for", "0", "--json", "--target", killedTarget, "--workers", "2", "--state", k.state}
	if targetsHere(t)["host"] {
		args = append(args, "--target", "host")
	}
	for n := range kills {
		c := exec.Command(stressd, args...)
		var out bytes.Buffer
		c.Stdout = &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		// Some die while they start, some at work, some after several leases.
		time.Sleep(time.Duration(k.rng.ExpFloat64() * float64(1500*time.Millisecond)))
		namespaces := childNamespaces(c.Process.Pid)
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		c.Wait() //nolint:errcheck // it was killed
		k.reported(out.Bytes())
		k.look(n)
		for deadline := time.Now().Add(10 * time.Second); len(inNamespaces(namespaces)) > 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("kill %d: left behind: %v", n, inNamespaces(namespaces))
			}
		}
	}
	// Time to file what is left: the same campaign, ended as a user does.
	end := exec.Command(stressd, args...)
	if err := end.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Minute)
	for len(k.pending()) > 0 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	if err := end.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := end.Wait(); end.ProcessState.ExitCode() != exitSignal+2 {
		t.Errorf("the last process: %v", err)
	}
	k.look(kills)
	k.all()
	t.Logf("%d kills, %d findings, %v s of the campaign, %v runs", kills, len(k.ids), k.seconds, k.runs)
}

// targetsHere says which targets this machine can run.
func targetsHere(t *testing.T) map[string]bool {
	all, err := campaign.UsableTargets()
	if err != nil {
		t.Fatal(err)
	}
	can := map[string]bool{}
	for _, u := range all {
		can[u.Target] = u.Lacks == ""
	}
	return can
}

// killed is what is known of a campaign that is killed.
type killed struct {
	*testing.T
	rng      *rand.Rand
	state    string
	campaign string
	seconds  float64
	runs     float64
	ids      map[string]bool   // of findings that were reported or filed
	coarse   map[string]string // coarse signatures that were seen: titles
}

// reported learns which findings a process told. Its last line may be cut off.
func (k *killed) reported(out []byte) {
	for line := range bytes.Lines(out) {
		var e struct{ Event, ID string }
		if json.Unmarshal(line, &e) == nil && e.Event == "finding" {
			k.ids[e.ID] = true
		}
	}
}

// pending lists what was seen and is not filed.
func (k *killed) pending() []string {
	names, err := filepath.Glob(filepath.Join(k.state, crashers.PendingDir, "*.json"))
	if err != nil {
		k.Fatal(err)
	}
	return names
}

// look reads the state directory as another command does.
func (k *killed) look(n int) {
	k.Helper()
	when := "after kill " + strconv.Itoa(n)
	if _, err := os.Stat(filepath.Join(k.state, "campaign.json")); os.IsNotExist(err) && k.campaign == "" {
		return // it died before it began
	}
	r, err := crashers.OpenReader(k.state)
	if err != nil {
		k.Fatalf("%s: %v", when, err)
	}
	metas, err := r.List()
	if err != nil {
		k.Fatalf("%s: %v", when, err)
	}
	for _, m := range metas {
		k.ids[m.ID] = true
	}
	for _, name := range k.pending() {
		var h struct {
			crashers.Known
			Kind  crashers.Kind
			Title string
		}
		b, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(b, &h)
		}
		if err != nil {
			k.Fatalf("%s: %v", when, err)
		}
		k.coarse[(&crashers.Finding{Kind: h.Kind, Title: h.Title, Known: h.Known}).Coarse()] = h.Title
	}
	var rec struct {
		Campaign      string
		Seconds, Runs float64
	}
	b, err := os.ReadFile(filepath.Join(k.state, "campaign.json"))
	if err == nil {
		err = json.Unmarshal(b, &rec)
	}
	if err != nil {
		k.Fatalf("%s: %v", when, err)
	}
	if k.campaign != "" && rec.Campaign != k.campaign || rec.Seconds < k.seconds || rec.Runs < k.runs {
		k.Fatalf("%s: campaign %s with %v s and %v runs, before it was %s with %v s and %v runs", when, rec.Campaign, rec.Seconds, rec.Runs, k.campaign, k.seconds, k.runs)
	}
	k.campaign, k.seconds, k.runs = rec.Campaign, rec.Seconds, rec.Runs
}

// all says whether what was ever seen is filed, whole and once.
func (k *killed) all() {
	if left := k.pending(); len(left) > 0 {
		k.Errorf("never filed: %v", left)
	}
	r, err := crashers.OpenReader(k.state)
	if err != nil {
		k.Fatal(err)
	}
	metas, err := r.List()
	if err != nil {
		k.Fatal(err)
	}
	filed, ids := map[string]string{}, map[string]bool{}
	for _, m := range metas {
		if other, twice := filed[m.Coarse]; twice {
			k.Errorf("%s and %s are one finding: %s", other, m.ID, m.Coarse)
		}
		filed[m.Coarse], ids[m.ID] = m.ID, true
		if _, err := r.Load(m.ID); err != nil {
			k.Error(err)
		}
	}
	for id := range k.ids {
		if !ids[id] {
			k.Errorf("finding %s is lost", id)
		}
	}
	for coarse, title := range k.coarse {
		if filed[coarse] == "" {
			k.Errorf("seen and never filed: %s", title)
		}
	}
	if len(ids) == 0 {
		k.Error("nothing was found: nothing could be lost")
	}
}
