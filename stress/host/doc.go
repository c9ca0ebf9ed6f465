// Package host is the target that runs programs on the kernel of this machine.
//
// A Target owns one PID namespace (and a user namespace, unless it runs as root) whose init is the actors' interpreter in
// the role of conductor: it starts a run's first actor, waits for the run's end, takes the cut, kills and reaps everything,
// and goes on with the next run, without Go in between. The Go side prepares runs ahead, decodes logs behind, and watches:
// a run that makes no progress is looked at from outside, through the namespace's own /proc, before anything in it dies.
//
// Nothing outside the namespace is ever signalled or traced, and nothing in it outlives the Go process: init dies with the
// thread that started it, and the kernel kills a namespace with its init.
//
// A Target serves one goroutine at a time and needs no locks.
package host
