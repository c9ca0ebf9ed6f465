//go:build !agent

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"tracehammer/stress"
	"tracehammer/stress/campaign"
	"tracehammer/vm"
	"tracehammer/vm/console"
)

type vmCmd struct {
	List     vmListCmd     `cmd:"" help:"List the architectures, what boots them, and the kernels in the cache."`
	Fetch    vmFetchCmd    `cmd:"" help:"Fetch the kernel of a release of the distribution into the cache; print its path."`
	Boot     vmBootCmd     `cmd:"" help:"Boot a machine, show its console, say what its agent found, and power it off."`
	Exec     vmExecCmd     `cmd:"" help:"Run a static program in a machine, with its input, output and exit status."`
	BuildUML vmBuildUMLCmd `cmd:"" name:"build-uml" help:"Build a User Mode Linux from source; print its path."`
	Console  vmConsoleCmd  `cmd:"" help:"Find the reports of kernels in a saved console."`
}

type vmListCmd struct {
	jsonFlag
}

type vmFetchCmd struct {
	Arch    string `arg:"" help:"Architecture: x86_64, 386 (programs of 32 bits on that of x86_64), arm64, riscv64, s390x, ppc64le."`
	Release string `arg:"" optional:"" help:"Release of the distribution, such as bookworm (default: this machine's)."`
}

func (vmFetchCmd) Help() string {
	return `Packages come through this machine's own apt configuration, with lists and a cache of their own, so that nothing that is installed changes and no root is needed; apt verifies them. What is in the cache is not fetched again: remove $XDG_CACHE_HOME/tracehammer/kernels/ARCH/RELEASE to have a newer one.`
}

type vmBootCmd struct {
	jsonFlag
	Target string `arg:"" help:"Target with a machine: uml, qemu:ARCH[@KERNEL]."`
}

type vmExecCmd struct {
	Target  string   `required:"" placeholder:"TARGET" help:"Target with an agent: uml, qemu:ARCH[@KERNEL], exec:COMMAND."`
	Copy    []string `placeholder:"DIR" help:"Directory whose files the machine gets under the same names. Repeat it for several."`
	Env     []string `placeholder:"NAME=VALUE" sep:"none" help:"Environment of the program. Repeat it for several."`
	Program []string `arg:"" passthrough:"" help:"Program, a file of this machine, and its arguments."`
}

func (vmExecCmd) Help() string {
	return `The program must need no libraries. It runs in the directory of the same name as this one.

Examples:

    stressd vm exec --target uml -- ./tool --flag
    CGO_ENABLED=0 go test -exec "stressd vm exec --target qemu:x86_64 --" ./engine`
}

type vmBuildUMLCmd struct {
	jsonFlag
	Source string   `required:"" placeholder:"DIR|FILE|apt" help:"Kernel source: a directory, a tar archive, or apt for the source package of this machine's distribution."`
	Patch  []string `sep:"none" type:"existingfile" placeholder:"FILE" help:"Patch to build it with, as for patch -p1. Repeat it for several."`
	Out    string   `placeholder:"FILE" help:"Where to put the kernel (default: it is left in the cache)."`
	Jobs   int      `placeholder:"N" help:"Compilers at a time (default: one for each CPU)."`
}

func (vmBuildUMLCmd) Help() string {
	return `The kernel boots in less than a second, reports lock order violations (lockdep) and knows which code of ptrace, signals, exit, exec and fork it went through (KCOV). The source stays as it is, also with --patch: it is built from links to its files, in $XDG_CACHE_HOME/tracehammer/builds, where the objects stay; after an edit, or with another patch, only what that changes is built again.

Examples:

    stressd vm build-uml --source ~/linux --out ./linux; stressd run --for 2m --target uml:./linux
    stressd vm build-uml --source apt --patch vm/testdata/patches/stale-leader.patch --out ./linux-stale-leader`
}

type vmConsoleCmd struct {
	jsonFlag
	File string `arg:"" help:"What a kernel printed; - is standard input."`
}

// consoleLimit is how much of a console is read: what comes after that many bytes is not looked at.
const consoleLimit = 1 << 30

// Run implements kong's command.
func (l *vmListCmd) Run(a *app) error {
	list, err := vm.List()
	if err != nil {
		return err
	}
	if l.JSON {
		return campaign.WriteJSON(a.out, "machines", list)
	}
	for _, m := range list.Machines {
		state := m.Program
		if m.Missing != "" {
			state = "missing: " + m.Missing
		}
		fmt.Fprintf(a.out, "%-14s %s\n", m.Target, state)
	}
	for _, k := range list.Kernels {
		fmt.Fprintf(a.out, "kernel         %s of %s for %s: %s\n", k.Version, k.Release, k.Arch, k.Path)
	}
	return nil
}

// Run implements kong's command.
func (f *vmFetchCmd) Run(a *app) error {
	arch, _, err := vm.ParseQEMU(f.Arch)
	if err != nil {
		return err
	}
	k, err := vm.Fetch(a.ctx, arch, f.Release, a.say)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, k.Path)
	return err
}

// Run implements kong's command.
func (b *vmBuildUMLCmd) Run(a *app) error {
	if b.Jobs < 0 {
		return errors.New("vm build-uml: --jobs must not be negative")
	}
	built, err := vm.BuildUML(a.ctx, vm.UMLBuild{Source: b.Source, Patches: b.Patch, Jobs: b.Jobs, Out: b.Out, Say: a.say})
	if err != nil {
		return err
	}
	if b.JSON {
		return campaign.WriteJSON(a.out, "built", built)
	}
	_, err = fmt.Fprintln(a.out, built.Path)
	return err
}

func (a *app) say(what string) { fmt.Fprintf(a.err, "stressd: %s\n", what) }

// Run implements kong's command.
func (b *vmBootCmd) Run(a *app) error {
	t, err := vm.Open(a.ctx, b.Target, vm.Options{Console: a.err, Say: a.say})
	if err != nil {
		return err
	}
	h := t.Hello()
	if b.JSON {
		err = campaign.WriteJSON(a.out, "hello", h)
	} else {
		var has, lacks []string
		for _, name := range h.Names() {
			if h.Features[name] {
				has = append(has, name)
			} else {
				lacks = append(lacks, name)
			}
		}
		_, err = fmt.Fprintf(a.out, "%s: %s, %d CPUs, %.1f times slower than this machine\nhas %s\nlacks %s\n", b.Target, h.Machine.String(), len(h.Machine.CPUs),
			t.Slowdown(), strings.Join(has, " "), strings.Join(lacks, " "))
	}
	return errors.Join(err, t.Close())
}

// Run implements kong's command.
func (e *vmExecCmd) Run(a *app) error {
	argv := e.Program
	if len(argv) > 0 && argv[0] == "--" {
		argv = argv[1:]
	}
	if len(argv) == 0 {
		return errors.New("vm exec: name a program")
	}
	program, err := os.Open(argv[0])
	if err != nil {
		return err
	}
	defer program.Close()
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	t, err := vm.Open(a.ctx, e.Target, vm.Options{Say: a.say})
	if err != nil {
		return err
	}
	const inside = "/tmp/program/"
	p := &vm.Program{Env: e.Env, Dir: dir, Stdin: os.Stdin, Stdout: a.out, Stderr: a.err}
	p.Argv = append([]string{inside + "run"}, argv[1:]...)
	err = t.Push(p.Argv[0], 0o755, program)
	for _, c := range e.Copy {
		if err == nil {
			err = t.PushTree(c)
		}
	}
	if err == nil { // a file makes the directory
		err = t.Push(dir+"/.keep", 0o644, strings.NewReader(""))
	}
	if err != nil {
		return errors.Join(err, t.Close())
	}
	exit, err := t.Exec(a.ctx, p)
	if err != nil {
		return err
	}
	err = t.Close()
	switch {
	case exit.Error != "":
		return errors.Join(&stress.EnvError{What: "cannot run " + argv[0] + " in " + e.Target, Err: errors.New(exit.Error), Hint: "is it static, and for that architecture?"}, err)
	case exit.Signal != 0:
		return errors.Join(err, status(exitSignal+exit.Signal))
	case exit.Code != 0:
		return errors.Join(err, status(exit.Code))
	}
	return err
}

// Run implements kong's command.
func (c *vmConsoleCmd) Run(a *app) error {
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	var failed error
	found := 0
	p := console.NewParser(func(r console.Report) {
		found++
		if failed != nil {
			return
		}
		if c.JSON {
			failed = campaign.WriteJSON(a.out, "report", r)
		} else {
			_, failed = fmt.Fprintf(a.out, "line %d: %s (%v, %v)\n", r.First, r.Title, r.Kind, r.State)
		}
	})
	_, err := io.Copy(p, io.LimitReader(in, consoleLimit))
	p.Close()
	if err = errors.Join(err, failed); err == nil && found > 0 {
		return status(exitFindings)
	}
	return err
}
