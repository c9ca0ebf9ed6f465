// Package fleet lets processes on many machines work on one campaign, over NATS JetStream: a key-value bucket has the leases, who is there,
// what was kept and which findings there are, and an object store has the files of findings.
//
// There is no coordinator: whoever takes work changes the ledger of a target by compare-and-swap, and whoever finds that a process has
// not shown itself for long takes back what that had leased. So any process may be lost, and any server of a cluster. The package runs
// and judges nothing, and files nothing: that is package campaign's. It takes no locks but for one of its own, a leaf.
package fleet

import (
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

// create puts a value if there is none. That there is one is no error.
func (f *Fleet) create(ctx context.Context, key string, b []byte) error {
	err := f.retry(ctx, func(ctx context.Context) error { _, err := f.kv.Create(ctx, key, b); return err })
	if errors.Is(err, jetstream.ErrKeyExists) {
		return nil
	}
	return err
}
