package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tracehammer/stress"
	"tracehammer/stress/campaign"
	"tracehammer/stress/history"
)

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

// refusedError is why this process cannot do what it came for.
type refusedError struct{ why string }

func (e *refusedError) Error() string { return e.why }

// otherProgram is why this process cannot take part: what one version leases, keeps and files another may not understand.
func otherProgram(theirs, ours string) error {
	return &stress.EnvError{What: fmt.Sprintf("the fleet runs %s, this is %s", history.Printable(theirs), ours), Hint: "use the same program everywhere"}
}
