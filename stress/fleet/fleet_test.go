package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/stress"
	"tracehammer/stress/campaign"
)

// startServer starts a server with JetStream in this process.
func startServer(t testing.TB, change func(*server.Options)) *server.Server {
	t.Helper()
	s := newServer(t, change)
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not start")
	}
	return s
}

func newServer(t testing.TB, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true, DisableJetStreamBanner: true}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

func join(t *testing.T, url string) *Fleet {
	t.Helper()
	f, err := Join(t.Context(), Options{URL: url, Name: "test", Program: "p"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) //nolint:errcheck // the server may be gone
	return f
}

// listener keeps what a fleet tells.
type listener struct {
	mu    sync.Mutex
	kept  []string
	filed []string
	runs  map[string]uint64
}

func (l *listener) Kept(target, name string, text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, target+" "+name+" "+string(text))
}

func (l *listener) Filed(id, by string, current bool, files map[string][]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.filed = append(l.filed, fmt.Sprint(id, " ", current, " ", string(files["meta.json"])))
	return nil
}

func (l *listener) Counted(by string, sum campaign.Summary) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runs == nil {
		l.runs = map[string]uint64{}
	}
	l.runs[by] = sum.Runs
}

// Many who take at the same time never get the same, and a worker who is lost loses its lease to the others.
func TestLeases(t *testing.T) {
	url := startServer(t, nil).ClientURL()
	ctx := t.Context()
	first := join(t, url)
	if err := first.Begin(ctx, campaign.Begun{ID: "c1", Targets: []string{"host"}}); err != nil {
		t.Fatal(err)
	}
	if err := first.Team(ctx, "host", 50); err != nil {
		t.Fatal(err)
	}
	var fleets []*Fleet
	for range 4 {
		f := join(t, url)
		if a, err := f.Work(ctx); err != nil || a == nil || a.Campaign != "c1" {
			t.Fatalf("%+v, %v", a, err)
		}
		fleets = append(fleets, f)
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for _, f := range fleets {
		wg.Go(func() {
			for range 10 {
				l, err := f.Take(ctx, "host", 3)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for n := l.Lo; n < l.Hi; n++ {
					seen[fmt.Sprint(l.Strategy, n)]++
				}
				mu.Unlock()
				if err := f.Done(ctx, l, l.Hi); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for n, times := range seen {
		if times != 1 {
			t.Errorf("seed %s was leased %d times", n, times)
		}
	}
	if len(seen) < 50+3*10 {
		t.Errorf("%d seeds", len(seen))
	}

	lost := fleets[0]
	l, err := lost.Take(ctx, "host", 5)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := first.Take(ctx, "host", 5); err != nil || again.Lo < l.Hi {
		t.Errorf("%v while %v is leased, %v", again, l, err)
	}
	lost.stop() // no beat any more
	lost.beats.Wait()
	if err := first.alive.Purge(ctx, lost.me); err != nil { // the time of its last beat is over
		t.Fatal(err)
	}
	again, err := first.Take(ctx, "host", 5)
	if err != nil || again.Lo != l.Lo || again.Hi != l.Hi {
		t.Errorf("%v after %v was lost, %v", again, l, err)
	}
	if err := lost.Done(ctx, l, l.Hi); !errors.As(err, new(*campaign.LostLeaseError)) {
		t.Errorf("the lost one is done: %v", err)
	}
}

// Findings are there once, whoever files them first, and everybody hears of what others keep and file, also of what was before.
func TestShares(t *testing.T) {
	url := startServer(t, nil).ClientURL()
	ctx := t.Context()
	a, b := join(t, url), join(t, url)
	if err := a.Begin(ctx, campaign.Begun{ID: "c1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Work(ctx); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"meta.json": []byte("a's"), "history.jsonl": make([]byte, 3<<20)}
	if err := a.File(ctx, "0123456789ab", files); err != nil {
		t.Fatal(err)
	}
	if err := b.File(ctx, "0123456789ab", map[string][]byte{"meta.json": []byte("b's")}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := a.Keep(ctx, "host", "kept-1", []byte("text")); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Count(ctx, campaign.Summary{Verdicts: campaign.Verdicts{Runs: 7}}); err != nil {
		t.Fatal(err)
	}
	var l listener
	watched := make(chan error, 1)
	go func() { watched <- b.Watch(ctx, &l) }()
	if err := a.End(ctx, false, &l); err != nil { // stopped: the others go on
		t.Fatal(err)
	}
	b.stop()
	if err := b.alive.Purge(ctx, b.me); err != nil { // so that nobody is awaited
		t.Fatal(err)
	}
	if err := a.End(ctx, true, &l); err != nil {
		t.Fatal(err)
	}
	if err := <-watched; err != nil {
		t.Errorf("watch: %v", err)
	}
	if len(l.kept) != 1 || l.kept[0] != "host kept-1 text" || len(l.filed) != 1 || l.filed[0] != "0123456789ab true a's" || l.runs[a.me] != 7 {
		t.Errorf("heard %q, %q, %v", l.kept, l.filed, l.runs)
	}
	if about, err := join(t, url).Work(ctx); about != nil || err != nil {
		t.Errorf("there is still work: %v, %v", about, err)
	}
	objects, err := a.blobs.List(ctx)
	if err != nil || len(objects) != 1 {
		t.Errorf("%d objects, %v", len(objects), err)
	}
}

// What a process saw and did not come to file is filed by one other when it is lost, and only then; nobody else files the like meanwhile.
func TestHeld(t *testing.T) {
	url := startServer(t, nil).ClientURL()
	ctx := t.Context()
	var all []*Fleet
	for range 4 {
		f := join(t, url)
		if err := f.Begin(ctx, campaign.Begun{ID: "c1"}); err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	lost, stays := all[0], all[1]
	large := bytes.Repeat([]byte("lost"), 1<<20)
	for _, h := range []struct {
		by   *Fleet
		id   string
		h    campaign.Held
		mine bool
	}{{lost, "0a", campaign.Held{Target: "host", Text: large}, true}, {stays, "0a", campaign.Held{Target: "host"}, false},
		{stays, "0b", campaign.Held{Target: "host"}, true}, {lost, "0c", campaign.Held{Target: "qemu:arm64"}, true}} {
		if mine, err := h.by.Hold(ctx, h.id, h.h); mine != h.mine || err != nil {
			t.Errorf("%s is %t, %v", h.id, mine, err)
		}
	}
	host := func(target string) bool { return target == "host" }
	adopt := func(f *Fleet, want func(string) bool) (ids []string) {
		if err := f.Adopt(ctx, want, func(id string, text []byte) error {
			ids = append(ids, id)
			if id == "0a" && !bytes.Equal(text, large) {
				t.Errorf("%d bytes of %s", len(text), id)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		return ids
	}
	if ids := adopt(all[2], host); ids != nil {
		t.Errorf("%v is taken from who is there", ids)
	}
	lost.stop()
	lost.beats.Wait()
	if err := stays.alive.Purge(ctx, lost.me); err != nil { // the time of its last beat is over
		t.Fatal(err)
	}
	var mu sync.Mutex
	var taken []string
	var wg sync.WaitGroup
	for _, f := range all[1:] {
		wg.Go(func() {
			ids := adopt(f, host)
			mu.Lock()
			defer mu.Unlock()
			taken = append(taken, ids...)
		})
	}
	wg.Wait()
	if !slices.Equal(taken, []string{"0a"}) {
		t.Errorf("adopted %v", taken)
	}
	for _, id := range []string{"0a", "0b", "0a"} {
		if err := stays.Release(ctx, id); err != nil {
			t.Error(err)
		}
	}
	if mine, err := stays.Hold(ctx, "0a", campaign.Held{Target: "host"}); !mine || err != nil {
		t.Errorf("what was released is seen again: %t, %v", mine, err)
	}
	if ids := adopt(all[2], func(string) bool { return true }); !slices.Equal(ids, []string{"0c"}) {
		t.Errorf("adopted %v", ids)
	}
	if objects, err := stays.blobs.List(ctx); err != nil || len(objects) != 2 { // of 0a and of 0c
		t.Errorf("%d objects, %v", len(objects), err)
	}
}

func TestJoinRefuses(t *testing.T) {
	s := startServer(t, func(o *server.Options) { o.JetStream = false; o.Username, o.Password = "u", "p" })
	for _, o := range []Options{
		{URL: "nats://127.0.0.1:1", Name: "test"},
		{URL: s.ClientURL(), Name: "test"},
		{URL: "nats://u:p@" + s.Addr().String(), Name: "test"}, // no JetStream
		{URL: s.ClientURL(), Name: "no name"},
		{URL: s.ClientURL(), Name: "test", Creds: "no-such-file"},
	} {
		if f, err := Join(t.Context(), o); err == nil {
			f.Close()
			t.Errorf("%+v joins", o)
		}
	}
}

// Another campaign is not begun in the place of one that runs, unless it is wanted; programs of another version do not take part.
func TestBegin(t *testing.T) {
	url := startServer(t, nil).ClientURL()
	ctx := t.Context()
	a := join(t, url)
	for _, step := range []struct {
		b  campaign.Begun
		ok bool
	}{{campaign.Begun{ID: "c1"}, true}, {campaign.Begun{ID: "c1"}, true}, {campaign.Begun{ID: "c2"}, false}, {campaign.Begun{ID: "c2", Fresh: true}, true}} {
		if err := a.Begin(ctx, step.b); (err == nil) != step.ok {
			t.Errorf("%+v: %v", step.b, err)
		}
	}
	worker := join(t, url)
	if about, err := worker.Work(ctx); err != nil || about.Campaign != "c2" {
		t.Fatalf("%+v, %v", about, err)
	}
	if err := worker.Begin(ctx, campaign.Begun{ID: "c2", Seeds: "others"}); !stress.IsEnv(err) {
		t.Errorf("takes part with other scenarios: %v", err)
	}
	other, err := Join(ctx, Options{URL: url, Name: "test", Program: "other"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if about, err := other.Work(ctx); !stress.IsEnv(err) || !strings.Contains(err.Error(), "the fleet runs p, this is other (use the same program everywhere)") {
		t.Errorf("takes part in %+v, %v", about, err)
	}
	// Whoever began it may go on with another program: then those leave who have the old one.
	if err := other.Begin(ctx, campaign.Begun{ID: "c2"}); err != nil {
		t.Fatal(err)
	}
	if err := worker.Watch(ctx, &listener{}); !stress.IsEnv(err) || !strings.Contains(err.Error(), "the fleet runs other, this is p") {
		t.Errorf("it stays: %v", err)
	}
	// What another version of the buckets says is not read as if it were of this one.
	if _, err := a.kv.PutString(ctx, aboutKey, `{"version":99,"campaign":"c2"}`); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{second(worker.Work(ctx)), a.Begin(ctx, campaign.Begun{ID: "c3", Fresh: true}), worker.Watch(ctx, &listener{})} {
		if !stress.IsEnv(err) || !strings.Contains(err.Error(), "the fleet runs version 99, this is version 1") {
			t.Errorf("%v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Two processes on one campaign, of which one begins it: what either finds both have, and all work is done.
func TestCampaign(t *testing.T) {
	url := startServer(t, nil).ClientURL()
	leads, works := join(t, url), join(t, url)
	const target = "engine:listen-error+continued-lost"
	seeds := corpus.Seeds()[:40]
	states := []string{t.TempDir(), t.TempDir()}
	done := make(chan error, 2)
	sums := make([]campaign.Summary, 2)
	began := make(chan struct{})
	go func() {
		var err error
		sums[0], err = campaign.Run(t.Context(), campaign.Config{Targets: []string{target}, Scenarios: seeds, Named: true, For: 12 * time.Second, Seed: 1, State: states[0],
			Workers: 1, Fleet: leads, Reporter: onStart(func() { close(began) })})
		done <- err
	}()
	<-began
	about, err := works.Work(t.Context())
	if err != nil || about == nil || len(about.Scenarios) != len(seeds) {
		t.Fatalf("%+v, %v", about, err)
	}
	go func() {
		var err error
		sums[1], err = campaign.Run(t.Context(), campaign.Config{Targets: about.Targets, Scenarios: seeds, Named: true, Seed: about.Seed, ID: about.Campaign, State: states[1],
			Workers: 1, Fleet: works, Reporter: campaign.Tee{}})
		works.Close()
		done <- err
	}()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	var ids [2]map[string]bool
	for i, dir := range states {
		r, err := crashers.OpenReader(dir)
		if err != nil {
			t.Fatal(err)
		}
		metas, err := r.List()
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = map[string]bool{}
		for _, m := range metas {
			ids[i][m.ID] = true
		}
	}
	t.Logf("findings %v; runs %d and %d", ids, sums[0].Runs, sums[1].Runs)
	if len(ids[0]) == 0 {
		t.Errorf("findings: %v", ids[0])
	}
	for id := range ids[1] {
		if !ids[0][id] {
			t.Errorf("finding %s of the worker is not there", id)
		}
	}
	both := []map[string]bool{keptIn(t, states[0], target), keptIn(t, states[1], target)}
	for name := range both[1] {
		if !both[0][name] {
			t.Errorf("%s, which the worker kept, is not there", name)
		}
	}
	if len(both[1]) == 0 {
		t.Error("nothing was kept")
	}
	if sums[0].Runs == 0 || sums[1].Runs == 0 || sums[0].ID != sums[1].ID {
		t.Errorf("runs %d in %s, %d in %s", sums[0].Runs, sums[0].ID, sums[1].Runs, sums[1].ID)
	}
}

// What a process had seen when it was lost, and had not filed, another one files that is about something else.
func TestAdopted(t *testing.T) {
	const target = "engine:listen-error"
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	state, saw := t.TempDir(), map[string][]byte{}
	look := reporter(func(campaign.Event) error { // the minimiser takes longer than it takes to look
		files, err := filepath.Glob(filepath.Join(state, crashers.PendingDir, "[0-9a-f]*.json"))
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil {
				saw[strings.TrimSuffix(filepath.Base(f), ".json")] = b
				stop()
			}
		}
		return err
	})
	if _, err := campaign.Run(ctx, campaign.Config{Targets: []string{target}, Scenarios: corpus.Seeds(), For: time.Minute, Seed: 1, State: state, Workers: 1,
		Reporter: look}); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if len(saw) == 0 {
		t.Fatal("it saw nothing")
	}

	url := startServer(t, nil).ClientURL()
	leads, lost := join(t, url), join(t, url)
	quiet, err := corpus.Parse("quiet", []byte("scenario quiet\nproc main\nmain: getpid => main\n"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop = context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	began, done := make(chan struct{}), make(chan error, 1)
	state = t.TempDir()
	go func() {
		_, err := campaign.Run(ctx, campaign.Config{Targets: []string{target}, Scenarios: []*corpus.Scenario{quiet}, Named: true, Seed: 1, State: state, Workers: 1, Fleet: leads,
			Reporter: campaign.Tee{onStart(func() { close(began) }), reporter(func(e campaign.Event) error {
				if _, is := e.(campaign.Found); is {
					stop()
				}
				return nil
			})}})
		done <- err
	}()
	<-began
	if about, err := lost.Work(ctx); err != nil || about == nil {
		t.Fatalf("%+v, %v", about, err)
	}
	titles := map[string]bool{}
	for id, text := range saw {
		if mine, err := lost.Hold(ctx, id, campaign.Held{Target: target, Text: text}); !mine || err != nil {
			t.Fatalf("%s: %t, %v", id, mine, err)
		}
		var held struct{ Title string }
		if err := json.Unmarshal(text, &held); err != nil {
			t.Fatal(err)
		}
		titles[held.Title] = true
	}
	lost.stop()
	lost.beats.Wait()
	if err := leads.alive.Purge(ctx, lost.me); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	found := 0
	for _, m := range metas(t, state) {
		if titles[m.Title] {
			found++
		}
	}
	if found == 0 {
		t.Errorf("of %v it has %v", titles, metas(t, state))
	}
}

type reporter func(campaign.Event) error

func (f reporter) Report(e campaign.Event) error { return f(e) }

type onStart func()

func (f onStart) Report(e campaign.Event) error {
	if _, is := e.(campaign.Start); is {
		f()
	}
	return nil
}
