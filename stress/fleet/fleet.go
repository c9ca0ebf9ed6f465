// Package fleet lets processes on many machines work on one campaign, over NATS JetStream: a key-value bucket has the leases, who is there,
// what was kept and which findings there are, and an object store has the files of findings.
//
// There is no coordinator: whoever takes work changes the ledger of a target by compare-and-swap, and whoever finds that a process has
// not shown itself for long takes back what that had leased. So any process may be lost, and any server of a cluster. The package runs
// and judges nothing, and files nothing: that is package campaign's. It takes no locks but for one of its own, a leaf.
package fleet

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tracehammer/stress"
	"tracehammer/stress/campaign"
	"tracehammer/stress/history"
)

// Version is that of what a fleet keeps. Processes of different versions do not work together.
const Version = 1

const (
	aliveEvery = 3 * time.Second
	// aliveTime is how long a process may be silent until what it leased is leased again. A server that goes may cost some seconds.
	aliveTime = 20 * time.Second
	// opTime bounds one request; what fails is tried again.
	opTime    = 5 * time.Second
	retryTime = 200 * time.Millisecond
	joinTime  = 30 * time.Second
	// pingEvery and pingsLost find a server that is cut off: nobody ends its connections, and by default they count as good for minutes.
	pingEvery = 3 * time.Second
	pingsLost = 2
)

// About is what a fleet works on: what a worker needs to take part.
type About struct {
	Version   int       `json:"version"`
	Program   string    `json:"program"`
	Campaign  string    `json:"campaign"`
	Began     time.Time `json:"began"`
	Over      bool      `json:"over"`
	Seed      uint64    `json:"seed"`
	Targets   []string  `json:"targets"`
	Scenarios []string  `json:"scenarios"` // texts; none: the seeds of the same program
	Seeds     string    `json:"seeds"`     // digest of the scenarios
}

// Fleet is a connection. It implements campaign.Fleet.
type Fleet struct {
	conn     *nats.Conn
	kv       jetstream.KeyValue // what stays
	alive    jetstream.KeyValue // who is there: entries go by themselves
	blobs    jetstream.ObjectStore
	me       string
	program  string
	campaign string
	about    *About             // that this process came to work on
	leads    *About             // that it began
	stop     context.CancelFunc // of the heart
	beats    sync.WaitGroup

	mu     sync.Mutex // a leaf
	denied error      // what the server said last that this user must not do; guarded by mu
}

var _ campaign.Fleet = (*Fleet)(nil)

var goodID = regexp.MustCompile(`^[0-9a-f]+$`)

var goodName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,40}$`)

// Join connects to a fleet, and makes what it needs if nobody has yet. It fails with a stress.EnvError when no server answers within half a
// minute, or none lets this process in, and with another error if the options are wrong by themselves.
func Join(ctx context.Context, opt Options) (*Fleet, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	f := &Fleet{me: campaign.MemberName() + "-" + nonce(), program: opt.Program}
	conn, err := opt.connect(f.me, f.wrong)
	if err != nil {
		return nil, err
	}
	f.conn = conn
	if err := f.open(ctx, opt.Name); err != nil {
		conn.Close()
		if stress.IsEnv(err) {
			return nil, err
		}
		return nil, &stress.EnvError{What: "open fleet " + opt.Name + " at " + opt.Servers(), Err: withoutPrefix(err),
			Hint: "the server needs JetStream (nats-server -js), and this user must be allowed to make buckets and to use them"}
	}
	beat, stop := context.WithCancel(context.WithoutCancel(ctx))
	f.stop = stop
	if err := f.retry(ctx, func(ctx context.Context) error { _, err := f.alive.Put(ctx, f.me, nil); return err }); err != nil {
		f.Close() //nolint:errcheck // the first error counts
		return nil, err
	}
	f.beats.Go(func() { f.beat(beat) })
	return f, nil
}

func nonce() string {
	var b [4]byte
	rand.Read(b[:]) //nolint:errcheck // it cannot fail
	return hex.EncodeToString(b[:])
}

// open finds or makes the buckets: with three copies on a cluster, with one on a single server.
func (f *Fleet) open(ctx context.Context, name string) error {
	js, err := jetstream.New(f.conn)
	if err != nil {
		return err
	}
	replicas := 1
	if f.conn.ConnectedClusterName() != "" {
		replicas = 3
	}
	return f.retry(ctx, func(ctx context.Context) (err error) {
		defer func() {
			// In a cluster another server may have JetStream, or has it in a moment.
			if replicas == 1 && errors.Is(err, nats.ErrNoResponders) {
				err = jetstream.ErrJetStreamNotEnabled
			}
		}()
		if f.kv, err = js.KeyValue(ctx, name); errors.Is(err, jetstream.ErrBucketNotFound) {
			f.kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, Replicas: replicas, Description: "what a fleet of stressd shares"})
		}
		if err != nil {
			return err
		}
		if f.alive, err = js.KeyValue(ctx, name+"-alive"); errors.Is(err, jetstream.ErrBucketNotFound) {
			f.alive, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name + "-alive", Replicas: replicas, TTL: aliveTime, Description: "who is there"})
		}
		if err != nil {
			return err
		}
		if f.blobs, err = js.ObjectStore(ctx, name+"-findings"); errors.Is(err, jetstream.ErrBucketNotFound) {
			f.blobs, err = js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: name + "-findings", Replicas: replicas, Description: "files of findings"})
		}
		return err
	})
}

// retry does what fails again, until ctx is done: a server of a cluster may be gone, and another is about to take its place.
func (f *Fleet) retry(ctx context.Context, do func(context.Context) error) error {
	for {
		f.forget()
		once, cancel := context.WithTimeout(ctx, opTime)
		err := do(once)
		cancel()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, nats.ErrConnectionClosed):
			return f.closed(err)
		case final(err):
			return err
		}
		// A server does not answer to what it does not permit, but says so beside.
		if denied := f.permission(); denied != nil {
			return denied
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("fleet: %w (%w)", err, context.Cause(ctx))
		case <-time.After(retryTime):
		}
	}
}

// closed is why there is no connection any more, and will be none.
func (f *Fleet) closed(err error) error {
	if last := f.conn.LastError(); last != nil {
		return &stress.EnvError{What: "stay in fleet", Err: withoutPrefix(last), Hint: hint(last)}
	}
	return err
}

// wrong is told what goes wrong on the connection with no request of its own.
func (f *Fleet) wrong(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if errors.Is(err, nats.ErrPermissionViolation) {
		f.denied = err
	}
}

// forget forgets what was denied: what somebody was once denied is no reason for what fails now.
func (f *Fleet) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.denied = nil
}

// permission is what this user was denied; nil for nothing.
func (f *Fleet) permission() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.denied == nil {
		return nil
	}
	return &stress.EnvError{What: "use fleet", Err: withoutPrefix(f.denied), Hint: "this user needs more permissions on the server"}
}

// final says that trying again does not help.
func final(err error) bool {
	var lost *campaign.LostLeaseError
	return errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, nats.ErrConnectionClosed) ||
		errors.Is(err, nats.ErrPermissionViolation) || errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) ||
		errors.As(err, &lost) || errors.As(err, new(*badError)) || errors.As(err, new(*refusedError)) || stress.IsEnv(err)
}

// badError is something in a bucket that no stressd of this version wrote.
type badError struct {
	key string
	err error
}

func (e *badError) Error() string { return fmt.Sprintf("fleet: %s: %v", e.key, e.err) }
func (e *badError) Unwrap() error { return e.err }

// beat says that this process is there until ctx is done.
func (f *Fleet) beat(ctx context.Context) {
	t := time.NewTicker(aliveEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			once, cancel := context.WithTimeout(ctx, opTime)
			f.alive.Put(once, f.me, nil) //nolint:errcheck // the next beat comes soon; if none does, others take the leases
			cancel()
		}
	}
}

// Close leaves the fleet.
func (f *Fleet) Close() error {
	f.stop()
	f.beats.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), opTime)
	defer cancel()
	err := f.alive.Delete(ctx, f.me)
	f.conn.Close()
	if err != nil {
		return fmt.Errorf("leave fleet: %w", err)
	}
	return nil
}

// Name is what this process is called.
func (f *Fleet) Name() string { return f.me }

const aboutKey = "about"

// About is what the fleet works on; nil if nobody has said yet.
func (f *Fleet) About(ctx context.Context) (a *About, err error) {
	err = f.retry(ctx, func(ctx context.Context) (err error) {
		a, _, err = f.readAbout(ctx)
		return err
	})
	return a, err
}

// readAbout is About with the revision to compare with; 0 if nobody has said yet.
func (f *Fleet) readAbout(ctx context.Context) (*About, uint64, error) {
	e, err := f.kv.Get(ctx, aboutKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	var a About
	if err := decode(e, &a); err != nil {
		return nil, 0, err
	}
	if err := a.check(); err != nil {
		return nil, 0, err
	}
	return &a, e.Revision(), nil
}

// check says whether this program can read what the fleet works on.
func (a *About) check() error {
	if a.Version != Version {
		return otherProgram(fmt.Sprintf("version %d", a.Version), fmt.Sprintf("version %d", Version))
	}
	return nil
}

// say changes what the fleet works on, by compare-and-swap. change returns nil if that is to stay as it is.
func (f *Fleet) say(ctx context.Context, change func(*About) (*About, error)) error {
	return f.retry(ctx, func(ctx context.Context) error {
		for {
			a, revision, err := f.readAbout(ctx)
			if err != nil {
				return err
			}
			if a, err = change(a); a == nil || err != nil {
				return err
			}
			b, err := json.Marshal(a)
			if err != nil {
				return err
			}
			if most := f.conn.MaxPayload(); int64(len(b)) > most {
				return &refusedError{fmt.Sprintf("the campaign's scenarios take %d bytes, and the server takes %d at a time: its max_payload, or fewer scenarios", len(b), most)}
			}
			if _, err = f.kv.Update(ctx, aboutKey, b, revision); !errors.Is(err, jetstream.ErrKeyExists) {
				return err
			}
		}
	})
}

// Begin implements campaign.Fleet: whoever did not come as a worker says what the fleet works on.
func (f *Fleet) Begin(ctx context.Context, b campaign.Begun) error {
	f.campaign = b.ID
	if f.about != nil { // it came to work on that
		if f.about.Seeds != b.Seeds {
			return otherProgram("scenarios "+f.about.Seeds, b.Seeds)
		}
		return nil
	}
	f.leads = &About{Version: Version, Program: f.program, Campaign: b.ID, Began: b.Began.UTC(), Seed: b.Seed, Targets: b.Targets, Scenarios: b.Scenarios,
		Seeds: b.Seeds}
	return f.say(ctx, func(a *About) (*About, error) {
		if a != nil && !a.Over && a.Campaign != b.ID && !b.Fresh {
			return nil, &refusedError{fmt.Sprintf("the fleet works on campaign %s since %s: stressd worker --join takes part, --fresh ends it, --fleet names another fleet",
				history.Printable(a.Campaign), a.Began.Format(time.RFC3339))}
		}
		return f.leads, nil
	})
}

// refusedError is why this process cannot do what it came for.
type refusedError struct{ why string }

func (e *refusedError) Error() string { return e.why }

// otherProgram is why this process cannot take part: what one version leases, keeps and files another may not understand.
func otherProgram(theirs, ours string) error {
	return &stress.EnvError{What: fmt.Sprintf("the fleet runs %s, this is %s", history.Printable(theirs), ours), Hint: "use the same program everywhere"}
}

// Work makes this process one that takes part in what the fleet works on, which it returns; nil if that is nothing.
func (f *Fleet) Work(ctx context.Context) (*About, error) {
	a, err := f.About(ctx)
	if err != nil || a == nil || a.Over {
		return nil, err
	}
	if a.Program != f.program {
		return nil, otherProgram(a.Program, f.program)
	}
	f.about, f.campaign = a, a.Campaign
	return a, nil
}

// End implements campaign.Fleet.
func (f *Fleet) End(ctx context.Context, over bool, news campaign.FleetNews) error {
	if f.leads == nil || !over {
		return nil
	}
	replaced := false
	err := f.say(ctx, func(a *About) (*About, error) {
		if replaced = a == nil || a.Campaign != f.campaign; replaced {
			return nil, nil
		}
		a.Over = true
		return a, nil
	})
	if err != nil || replaced {
		return err // who began another one has the others now
	}
	for t := time.NewTicker(retryTime); ; {
		there, err := f.there(ctx)
		delete(there, f.me)
		if err == nil && len(there) == 0 || ctx.Err() != nil {
			t.Stop()
			return f.collect(context.WithoutCancel(ctx), news)
		}
		<-t.C
	}
}

// collect hands over all findings that there are, and all that was kept.
func (f *Fleet) collect(ctx context.Context, news campaign.FleetNews) error {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	w, err := f.kv.WatchFiltered(ctx, []string{f.key("kept", ">"), "finding.>"}, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	defer w.Stop() //nolint:errcheck // what comes is not read any more
	for e := range w.Updates() {
		if e == nil {
			return nil // that was all
		}
		if _, err := f.heard(ctx, e, news); err != nil {
			return err
		}
	}
	return nil
}

func decode(e jetstream.KeyValueEntry, v any) error {
	if err := json.Unmarshal(e.Value(), v); err != nil {
		return &badError{e.Key(), err}
	}
	return nil
}

// short stands for a name in a key, where it could not be as it is.
func short(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}

func (f *Fleet) key(kind string, parts ...string) string {
	return strings.Join(append([]string{kind, f.campaign}, parts...), ".")
}

// change changes the ledger of a target. change may be called again; after a request of which nobody knows whether it was heard, the
// ledger may be changed already.
func (f *Fleet) change(ctx context.Context, target string, change func(*campaign.Ledger) error) error {
	key := f.key("pool", short(target))
	return f.retry(ctx, func(ctx context.Context) error {
		for {
			var g campaign.Ledger
			e, err := f.kv.Get(ctx, key)
			revision := uint64(0)
			switch {
			case errors.Is(err, jetstream.ErrKeyNotFound):
			case err != nil:
				return err
			default:
				if err := decode(e, &g); err != nil {
					return err
				}
				if err := g.Check(); err != nil {
					return &badError{key, err}
				}
				revision = e.Revision()
			}
			if err := change(&g); err != nil {
				return err
			}
			b, err := json.Marshal(g)
			if err != nil {
				return err
			}
			if _, err = f.kv.Update(ctx, key, b, revision); !errors.Is(err, jetstream.ErrKeyExists) {
				return err
			}
			// Somebody was faster.
		}
	})
}

// Team implements campaign.Fleet.
func (f *Fleet) Team(ctx context.Context, target string, seeds int) error {
	return f.change(ctx, target, func(g *campaign.Ledger) error {
		g.Team(target, seeds)
		return nil
	})
}

// Take implements campaign.Leases.
func (f *Fleet) Take(ctx context.Context, target string, n uint64) (l campaign.Lease, err error) {
	by := f.me + " " + nonce()
	err = f.change(ctx, target, func(g *campaign.Ledger) (err error) {
		if held, ok := g.Held(by); ok { // an earlier try was heard
			l = held
			return nil
		}
		if g.Leased() {
			there, err := f.there(ctx)
			if err != nil {
				return err
			}
			// A server that was cut off for long takes everybody for lost, until it has caught up: also this process, which is not.
			if there[f.me] {
				g.Lost(func(by string) bool {
					name, _, _ := strings.Cut(by, " ")
					return there[name]
				})
			}
		}
		l, err = g.Take(by, target, n)
		return err
	})
	if err != nil && ctx.Err() != nil {
		f.giveBack(context.WithoutCancel(ctx), target, by)
	}
	l.By = by
	return l, err
}

// giveBack gives back what a try to lease may have leased of which nobody heard: while this process is there, nobody else would.
func (f *Fleet) giveBack(ctx context.Context, target, by string) {
	ctx, cancel := context.WithTimeout(ctx, opTime)
	defer cancel()
	f.change(ctx, target, func(g *campaign.Ledger) error { //nolint:errcheck // then it goes back when this process has left
		if l, ok := g.Held(by); ok {
			return g.Done(by, l, l.Lo)
		}
		return nil
	})
}

// there is who has shown itself lately.
func (f *Fleet) there(ctx context.Context) (map[string]bool, error) {
	keys, err := f.alive.Keys(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, err
	}
	there := map[string]bool{}
	for _, k := range keys {
		there[k] = true
	}
	return there, nil
}

// Done implements campaign.Leases. That a lease is lost is true only of the last ledger, and what a server says may be older, if it was cut
// off: whoever can write the ledger as it is has read the last one.
func (f *Fleet) Done(ctx context.Context, l campaign.Lease, to uint64) error {
	var lost error
	tries := 0
	err := f.change(ctx, l.Target, func(g *campaign.Ledger) error {
		tries++
		err := g.Done(l.By, l, to)
		if lost = nil; errors.As(err, new(*campaign.LostLeaseError)) {
			lost, err = err, nil
		}
		return err
	})
	if err == nil && tries == 1 {
		return lost
	}
	return err // an earlier try may have been heard
}

// Keep implements campaign.Fleet.
func (f *Fleet) Keep(ctx context.Context, target, name string, text []byte) error {
	b, err := json.Marshal(kept{f.me, target, name, string(text)})
	if err != nil {
		return err
	}
	return f.create(ctx, f.key("kept", short(target), short(name)), b)
}

type kept struct {
	By     string `json:"by"`
	Target string `json:"target"`
	Name   string `json:"name"`
	Text   string `json:"text"`
}

// create puts a value if there is none. That there is one is no error.
func (f *Fleet) create(ctx context.Context, key string, b []byte) error {
	err := f.retry(ctx, func(ctx context.Context) error { _, err := f.kv.Create(ctx, key, b); return err })
	if errors.Is(err, jetstream.ErrKeyExists) {
		return nil
	}
	return err
}

// finding says where the files of a finding are.
type finding struct {
	By       string `json:"by"`
	Campaign string `json:"campaign"`
	ID       string `json:"id"`
	Object   string `json:"object"`
}

func findingKey(id string) string { return "finding." + id }

// File implements campaign.Fleet. The files come first: what has a key has files.
func (f *Fleet) File(ctx context.Context, id string, files map[string][]byte) error {
	if !goodID.MatchString(id) {
		return fmt.Errorf("fleet: %q is no finding's ID", id)
	}
	there := false
	err := f.retry(ctx, func(ctx context.Context) error {
		_, err := f.kv.Get(ctx, findingKey(id))
		if there = err == nil; errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil
		}
		return err
	})
	if err != nil || there {
		return err
	}
	b, err := json.Marshal(files)
	if err != nil {
		return err
	}
	object := id + "-" + nonce()
	err = f.retry(ctx, func(ctx context.Context) error {
		_, err := f.blobs.Put(ctx, jetstream.ObjectMeta{Name: object}, bytes.NewReader(b))
		return err
	})
	if err != nil {
		return err
	}
	entry, err := json.Marshal(finding{f.me, f.campaign, id, object})
	if err != nil {
		return err
	}
	err = f.retry(ctx, func(ctx context.Context) error { _, err := f.kv.Create(ctx, findingKey(id), entry); return err })
	if errors.Is(err, jetstream.ErrKeyExists) {
		return f.superfluous(ctx, id, object)
	}
	return err
}

// superfluous removes an object, unless the finding has it: the try that failed may have been heard.
func (f *Fleet) superfluous(ctx context.Context, id, object string) error {
	return f.retry(ctx, func(ctx context.Context) error {
		var has finding
		e, err := f.kv.Get(ctx, findingKey(id))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return fmt.Errorf("finding %s: this server has not heard of it yet", id) // which is tried again
		}
		if err == nil {
			err = decode(e, &has)
		}
		if err != nil || has.Object == object {
			return err
		}
		return f.blobs.Delete(ctx, object)
	})
}

// counted is what a process did so far.
type counted struct {
	By string `json:"by"`
	campaign.Summary
}

// Count implements campaign.Fleet.
func (f *Fleet) Count(ctx context.Context, sum campaign.Summary) error {
	sum.PerTarget, sum.Members = nil, nil // what nobody reads
	b, err := json.Marshal(counted{f.me, sum})
	if err != nil {
		return err
	}
	return f.retry(ctx, func(ctx context.Context) error { _, err := f.kv.Put(ctx, f.key("count", f.me), b); return err })
}

// Watch implements campaign.Fleet.
func (f *Fleet) Watch(ctx context.Context, news campaign.FleetNews) error {
	keys := []string{aboutKey, f.key("kept", ">"), f.key("count", ">"), "finding.>"}
	var w jetstream.KeyWatcher
	err := f.retry(ctx, func(context.Context) (err error) {
		w, err = f.kv.WatchFiltered(ctx, keys, jetstream.IgnoreDeletes())
		return err
	})
	if err != nil {
		return err
	}
	defer w.Stop() //nolint:errcheck // what comes is not read any more
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Updates():
			if !ok {
				return errors.New("fleet: the watch ended")
			}
			if e == nil {
				continue // that was all there had been
			}
			over, err := f.heard(ctx, e, news)
			if over || err != nil {
				return err
			}
		}
	}
}

// heard passes on what an entry says.
func (f *Fleet) heard(ctx context.Context, e jetstream.KeyValueEntry, news campaign.FleetNews) (over bool, err error) {
	kind, _, _ := strings.Cut(e.Key(), ".")
	switch kind {
	case aboutKey:
		var a About
		if err := decode(e, &a); err != nil {
			return false, err
		}
		if err := a.check(); err != nil {
			return false, err
		}
		if a.Campaign == f.campaign && a.Program != f.program && !a.Over {
			return false, otherProgram(a.Program, f.program) // whoever began it goes on with another one
		}
		return a.Campaign != f.campaign || a.Over, nil
	case "kept":
		var k kept
		if err := decode(e, &k); err != nil {
			return false, err
		}
		if k.By != f.me {
			news.Kept(k.Target, k.Name, []byte(k.Text))
		}
	case "count":
		var c counted
		if err := decode(e, &c); err != nil {
			return false, err
		}
		if c.By != f.me {
			news.Counted(c.By, c.Summary)
		}
	case "finding":
		var at finding
		if err := decode(e, &at); err != nil {
			return false, err
		}
		if at.By == f.me {
			return false, nil
		}
		files, err := f.files(ctx, at.Object)
		if err != nil {
			return false, fmt.Errorf("fleet: finding %s of %s: %w", history.Printable(at.ID), history.Printable(at.By), err)
		}
		return false, news.Filed(at.ID, at.By, at.Campaign == f.campaign, files)
	}
	return false, nil
}

// maxFinding is the most that the files of a finding may have together.
const maxFinding = 128 << 20

func (f *Fleet) files(ctx context.Context, object string) (files map[string][]byte, err error) {
	err = f.retry(ctx, func(ctx context.Context) error {
		info, err := f.blobs.GetInfo(ctx, object)
		if err != nil {
			return err
		}
		if info.Size > maxFinding {
			return &badError{object, fmt.Errorf("%d bytes", info.Size)}
		}
		b, err := f.blobs.GetBytes(ctx, object)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &files); err != nil {
			return &badError{object, err}
		}
		return nil
	})
	return files, err
}
