// Package crashers keeps what the oracles found: it names findings by signature, recognises them again, makes their
// scenarios small, and files each as a directory with a report and a C program that shows it alone.
//
// It never judges a history (stress/oracle does), nor a run of its own: what it tries on the engine to find a schedule
// (stress/steer) counts only if a Check says that it shows the finding. What it reads back from a state directory it treats
// as untrusted.
//
// Lock order: the lock file of a state directory (held by an open Store), then Store.mu. Nothing is called back under
// Store.mu.
package crashers
