package wire

import (
	"errors"
	"fmt"

	"tracehammer/stress"
)

// FaultError is an error of the other end that callers may decide on.
type FaultError struct {
	Kind FaultKind
	Text string
}

func (e *FaultError) Error() string { return e.Text }

// Err is the error that a fault tells of, nil for none; name is the target's.
func (f *Fault) Err(name string) error {
	switch {
	case f == nil:
		return nil
	case f.Kind == FaultEnv:
		return &stress.EnvError{What: name, Err: errors.New(f.Text), Hint: f.Hint}
	case f.Kind == FaultProgram:
		return fmt.Errorf("%s: %w", name, &stress.ProgramError{Err: errors.New(f.Text)})
	}
	return fmt.Errorf("%s: %w", name, &FaultError{f.Kind, f.Text})
}

// IsUnkillable says whether err is that SIGKILL did not end an actor at the other end.
func IsUnkillable(err error) bool {
	var f *FaultError
	return errors.As(err, &f) && f.Kind == FaultUnkillable
}
