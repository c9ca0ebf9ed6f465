package vm

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"tracehammer/stress"
)

// A User Mode Linux is built from a tree of our own (see tree) into a directory beside it, both kept: what is built again after an
// edit, or with another patch, is only what that changed.

// SourceApt stands for the source package of this machine's distribution.
const SourceApt = "apt"

// UMLBuild says what BuildUML builds.
type UMLBuild struct {
	Source  string // directory, archive for tar, or SourceApt
	Patches []string
	Jobs    int          // of make; 0: one for each CPU
	Out     string       // where to put the kernel besides; "" for nowhere
	Say     func(string) // is told what takes long; may be nil
}

// BuiltUML is what BuildUML built.
type BuiltUML struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Source  string `json:"source"` // directory
	Log     string `json:"log"`    // what make said
}

//go:embed uml.config
var umlConfig []byte

// umlCovered are the files of kernel/ and fs/ that KCOV instruments.
var umlCovered = []string{"ptrace", "signal", "exit", "exec", "fork"}

// needed are the programs that a build needs, with their packages.
var needed = []struct{ program, pkg string }{
	{"make", "make"}, {"gcc", "gcc"}, {"ld", "binutils"}, {"flex", "flex"}, {"bison", "bison"}, {"bc", "bc"},
}

// BuildUML builds a User Mode Linux. A missing program is a *stress.EnvError that names packages.
func BuildUML(ctx context.Context, b UMLBuild) (*BuiltUML, error) {
	built, err := b.build(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return built, err
}

func (b *UMLBuild) build(ctx context.Context) (*BuiltUML, error) {
	if runtime.GOARCH != "amd64" {
		return nil, &stress.EnvError{What: "User Mode Linux is for amd64, this is " + runtime.GOARCH}
	}
	if err := b.equipped(); err != nil {
		return nil, err
	}
	kernels, err := CacheDir()
	if err != nil {
		return nil, err
	}
	cache := filepath.Join(filepath.Dir(kernels), "builds")
	source, err := b.source(ctx, filepath.Join(filepath.Dir(kernels), "sources"))
	if err != nil {
		return nil, err
	}
	if err := isKernelSource(source); err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, keyOf(source))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("build a kernel: %w", err)
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()

	t := tree{source, filepath.Join(dir, "tree")}
	files, err := t.sync(ctx)
	if err == nil {
		err = t.patch(ctx, b.Patches, files, filepath.Join(dir, "patching"))
	}
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, fmt.Errorf("build a kernel: %w", err)
	}
	defer log.Close()
	m := kmake{tree: t.dir, obj: filepath.Join(dir, "obj"), log: log, say: b.Say}
	if err := m.configure(ctx, filepath.Join(dir, "config")); err != nil {
		return nil, err
	}
	jobs := b.Jobs
	if jobs <= 0 {
		jobs = runtime.NumCPU()
	}
	args := []string{fmt.Sprintf("-j%d", jobs)}
	for _, name := range umlCovered {
		args = append(args, "KCOV_INSTRUMENT_"+name+".o=y")
	}
	if err := m.run(ctx, append(args, "linux")...); err != nil {
		return nil, err
	}
	built := &BuiltUML{Path: filepath.Join(dir, "linux"), Source: source, Log: log.Name()}
	version, err := os.ReadFile(filepath.Join(m.obj, "include/config/kernel.release"))
	if err != nil {
		return nil, fmt.Errorf("build a kernel: %w", err)
	}
	built.Version = strings.TrimSpace(string(version))
	if b.Out != "" {
		built.Path = b.Out
	}
	if err := install(built.Path, filepath.Join(m.obj, "linux")); err != nil {
		return nil, fmt.Errorf("keep the kernel: %w", err)
	}
	return built, nil
}

// equipped says what this machine lacks.
func (b *UMLBuild) equipped() error {
	tools := slices.Clone(needed)
	if len(b.Patches) > 0 {
		tools = append(tools, struct{ program, pkg string }{"patch", "patch"})
	}
	var programs, packages []string
	for _, t := range tools {
		if _, err := exec.LookPath(t.program); err != nil {
			programs, packages = append(programs, t.program), append(packages, t.pkg)
		}
	}
	if !slices.Contains(programs, "gcc") { // it names the file without a directory if there is none
		if out, err := exec.Command("gcc", "-print-file-name=crt1.o").Output(); err == nil && !strings.Contains(string(out), "/") {
			programs, packages = append(programs, "the C library's headers"), append(packages, "libc6-dev")
		}
	}
	if len(programs) == 0 {
		return nil
	}
	return &stress.EnvError{What: "a kernel cannot be built here: there is no " + strings.Join(programs, ", no "), Hint: "apt-get install " + strings.Join(packages, " ")}
}

// source is the directory of the source. What must be unpacked first is unpacked below cache, once.
func (b *UMLBuild) source(ctx context.Context, cache string) (string, error) {
	from := b.Source
	if from == SourceApt {
		var err error
		if from, err = fetchSource(ctx, cache, b.Say); err != nil {
			return "", err
		}
	}
	from, err := filepath.Abs(from)
	if err != nil {
		return "", err
	}
	if from, err = filepath.EvalSymlinks(from); err != nil {
		return "", fmt.Errorf("find the source: %w", err)
	}
	info, err := os.Stat(from)
	if err != nil {
		return "", fmt.Errorf("find the source: %w", err)
	}
	if info.IsDir() {
		return from, nil
	}
	dir := filepath.Join(cache, keyOf(fmt.Sprintf("%s %d %d", from, info.Size(), info.ModTime().UnixNano())))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	b.tell("unpacking " + from)
	return dir, unpackSource(ctx, from, dir)
}

func (b *UMLBuild) tell(what string) {
	if b.Say != nil {
		b.Say(what)
	}
}

// keyOf names the directory that belongs to something: people should know it again.
func keyOf(what string) string {
	name, _, _ := strings.Cut(filepath.Base(what), " ")
	return fmt.Sprintf("%s-%x", name, sha256.Sum256([]byte(what)))[:len(name)+1+12]
}

// fetchSource is the archive that the source package of this machine's release has.
func fetchSource(ctx context.Context, cache string, say func(string)) (string, error) {
	from, err := ownArchive(ctx)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, from.release)
	archives := func() []string {
		list, _ := filepath.Glob(filepath.Join(dir, "usr/src/linux-source-*.tar.*")) // a good pattern
		return list
	}
	if list := archives(); len(list) > 0 {
		return list[0], nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("cache a source: %w", err)
	}
	unlock, err := lock(filepath.Join(cache, from.release+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if list := archives(); len(list) > 0 { // somebody else was faster
		return list[0], nil
	}
	if say != nil {
		say("fetching the kernel's source of " + from.release)
	}
	if err := from.fetch(ctx, runtime.GOARCH, "linux-source", from.release, dir); err != nil {
		return "", err
	}
	if list := archives(); len(list) > 0 {
		return list[0], nil
	}
	return "", &stress.EnvError{What: fmt.Sprintf("the source package of %s has no usr/src/linux-source-*.tar.*", from.release)}
}

// unpackSource unpacks an archive into dir, all of it or nothing.
func unpackSource(ctx context.Context, archive, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "unpacking-")
	if err != nil {
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	defer os.RemoveAll(work)
	c := exec.CommandContext(ctx, "tar", "-xf", archive, "--strip-components=1")
	c.Dir = work
	if _, err := c.Output(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return &stress.EnvError{What: "cannot unpack " + archive, Err: err, Hint: "apt-get install tar xz-utils"}
		}
		return fmt.Errorf("%s is no archive that can be unpacked (of .xz, apt-get install xz-utils): %w", archive, commandError(err))
	}
	if err := os.Rename(work, dir); err != nil && !errors.Is(err, syscall.ENOTEMPTY) { // somebody else was faster
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	return nil
}

// isKernelSource says why a directory is none to build from.
func isKernelSource(dir string) error {
	for _, name := range []string{"Kbuild", "arch/um/Makefile", "kernel/ptrace.c"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("%s is no source of Linux: %w", dir, err)
		}
	}
	return nil
}

// install puts a file in the place of another one, which may be running.
func install(to, from string) error {
	next := to + ".new"
	if err := copyFile(next, from); err != nil {
		return err
	}
	if err := os.Chmod(next, 0o755); err != nil {
		return err
	}
	return os.Rename(next, to)
}

// kmake runs make for a kernel.
type kmake struct {
	tree, obj string
	log       *os.File
	say       func(string)
}

// configure makes the configuration, and says what of ours the source has not.
func (m *kmake) configure(ctx context.Context, file string) error {
	if err := os.WriteFile(file, umlConfig, 0o644); err != nil {
		return fmt.Errorf("configure a kernel: %w", err)
	}
	if err := os.MkdirAll(m.obj, 0o755); err != nil {
		return fmt.Errorf("configure a kernel: %w", err)
	}
	if err := m.run(ctx, "KCONFIG_ALLCONFIG="+file, "allnoconfig"); err != nil {
		return err
	}
	config, err := os.ReadFile(filepath.Join(m.obj, ".config"))
	if err != nil {
		return fmt.Errorf("configure a kernel: %w", err)
	}
	missing, without := unset(config)
	if len(missing) > 0 {
		return fmt.Errorf("configure a kernel: this source does not have %s: is it older than 6.1, or are they called otherwise now?", strings.Join(missing, ", "))
	}
	if len(without) > 0 && m.say != nil {
		m.say("it will be without " + strings.Join(without, ", "))
	}
	return nil
}

// unset are the options of ours that a configuration has not: those that must be there, and others.
func unset(config []byte) (missing, without []string) {
	has := map[string]bool{}
	for line := range bytes.Lines(config) {
		has[strings.TrimSpace(string(line))] = true
	}
	for line := range bytes.Lines(umlConfig) {
		option, comment, _ := strings.Cut(strings.TrimSpace(string(line)), " # ")
		name, _, is := strings.Cut(option, "=")
		switch {
		case !is || !strings.HasPrefix(option, "CONFIG_") || has[option]:
		case strings.HasPrefix(comment, "optional"):
			without = append(without, name)
		default:
			missing = append(missing, name)
		}
	}
	return missing, without
}

// sayEvery is how often a build says where it is.
const sayEvery = 10 * time.Second

// run runs make. What it says goes to the log.
func (m *kmake) run(ctx context.Context, args ...string) error {
	c := exec.CommandContext(ctx, "make", append([]string{"-C", m.tree, "O=" + m.obj, "ARCH=um"}, args...)...)
	// Nothing of where and when it is built gets into it.
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ARCH", "CROSS_COMPILE", "KBUILD_OUTPUT", "LOCALVERSION", "SUBARCH"}, name)
	}), "LC_ALL=C", "KBUILD_BUILD_TIMESTAMP=1970-01-01", "KBUILD_BUILD_VERSION=1", "KBUILD_BUILD_USER=tracehammer", "KBUILD_BUILD_HOST=tracehammer")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	out := &progress{log: m.log, say: m.say, began: time.Now(), said: time.Now()}
	c.Stdout, c.Stderr = out, out
	done := make(chan error)
	go func() { // Pdeathsig is about the thread, which ends with the goroutine
		runtime.LockOSThread()
		done <- c.Run()
	}()
	if err := <-done; err != nil {
		return fmt.Errorf("make %s: %w%s; all that it said is in %s", args[len(args)-1], err, out.errors(), m.log.Name())
	}
	return nil
}

// progress reads what make says.
type progress struct {
	mu          sync.Mutex
	log         *os.File
	say         func(string)
	began, said time.Time
	steps       int
	rest        []byte   // of a line
	failed      []string // the first lines that say what is wrong
}

// Write implements io.Writer.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = append(p.rest, b...)
	for {
		i := bytes.IndexByte(p.rest, '\n')
		if i < 0 {
			break
		}
		p.line(string(p.rest[:i]))
		p.rest = p.rest[i+1:]
	}
	return p.log.Write(b)
}

func (p *progress) line(line string) {
	if step, is := strings.CutPrefix(line, "  "); is {
		p.steps++
		if now := time.Now(); p.say != nil && now.Sub(p.said) >= sayEvery {
			p.said = now
			p.say(fmt.Sprintf("building for %v: %d steps, now %s", now.Sub(p.began).Round(time.Second), p.steps, strings.Join(strings.Fields(step), " ")))
		}
	}
	for _, sign := range []string{": error:", ": fatal error:", "undefined reference", "*** ", "can't open file"} {
		if strings.Contains(line, sign) && len(p.failed) < 5 {
			p.failed = append(p.failed, line)
			break
		}
	}
}

// errors are what make said is wrong.
func (p *progress) errors() string {
	if len(p.failed) == 0 {
		return ""
	}
	return "\n  " + strings.Join(p.failed, "\n  ") + "\n"
}
