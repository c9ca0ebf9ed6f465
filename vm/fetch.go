package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"

	"tracehammer/stress"
)

// Kernels come from the distribution that this machine's apt is set up for, as packages of whatever architecture, by an apt with
// files of its own: nothing that is installed changes, nothing needs root, and apt verifies what it gets by the archive's keys.

// CacheDir is where fetched kernels are kept.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", &stress.EnvError{What: "no cache directory", Err: err, Hint: "set XDG_CACHE_HOME"}
	}
	return filepath.Join(dir, "tracehammer", "kernels"), nil
}

// releaseName is what a release may be called; it becomes a part of paths and of apt's configuration.
var releaseName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9.-]{1,39}$`) })

// archive is where packages come from.
type archive struct {
	site, release, keys string // keys: a file, "" for those that apt trusts
}

// ownArchive asks apt where this machine's packages come from.
func ownArchive(ctx context.Context) (*archive, error) {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(SITE)|$(RELEASE)|$(SIGNED_BY)", "Created-By: Packages", "Component: main").Output()
	if err != nil {
		return nil, &stress.EnvError{What: "cannot ask apt for its archive", Err: commandError(err), Hint: "kernels are fetched by apt; without it, name a kernel's file: qemu:ARCH@PATH"}
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) != 3 || strings.Contains(f[1], "-") || !strings.Contains(f[0], "://") { // a suite beside the release: updates, security
			continue
		}
		if strings.HasPrefix(f[2], "$") { // not set
			f[2] = ""
		}
		return &archive{f[0], f[1], f[2]}, nil
	}
	return nil, &stress.EnvError{What: "apt knows no archive with a component main", Hint: "name a kernel's file: qemu:ARCH@PATH"}
}

// Kernel is a kernel in the cache.
type Kernel struct {
	Arch    string `json:"arch"`
	Release string `json:"release"` // of the distribution
	Version string `json:"version"` // of the kernel
	Path    string `json:"path"`    // of its image
}

// Cached lists the kernels in the cache.
func Cached() ([]Kernel, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	var list []Kernel
	for _, place := range imagePlaces {
		images, _ := filepath.Glob(filepath.Join(cache, "*", "*", place)) // a good pattern
		for _, path := range images {
			rel, _ := filepath.Rel(cache, path) // it is below
			part := strings.Split(rel, "/")
			list = append(list, Kernel{Arch: part[0], Release: part[1], Version: versionOf(path), Path: path})
		}
	}
	return list, nil
}

// imagePlaces are where packages have a kernel's image. Debian's are beside its modules since forky.
var imagePlaces = []string{"boot/vmlinu[xz]-*", "usr/lib/modules/*/vmlinu[xz]"}

// versionOf is the version that a kernel's image is for, by where its package has it.
func versionOf(image string) string {
	if _, version, ok := strings.Cut(filepath.Base(image), "-"); ok {
		return version
	}
	if dir := filepath.Dir(image); filepath.Base(filepath.Dir(dir)) == "modules" {
		return filepath.Base(dir)
	}
	return ""
}

// Fetch returns the kernel of a release of the distribution, "" for the one that this machine has (or the architecture's, if that
// is not in every release), from the cache or else from the archive. goarch is Go's name of an architecture. say is told what takes long; it may be nil.
func Fetch(ctx context.Context, goarch, release string, say func(string)) (*Kernel, error) {
	if arches[goarch] == nil {
		return nil, fmt.Errorf("unknown architecture %q", goarch)
	}
	goarch = KernelArch(goarch)
	a := arches[goarch]
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	var from *archive
	if release == "" {
		release = a.release
	}
	if release == "" {
		if from, err = ownArchive(ctx); err != nil {
			return nil, err
		}
		release = from.release
	}
	if !releaseName().MatchString(release) {
		return nil, fmt.Errorf("kernel %q: neither a file's path (with a slash) nor the name of a release", release)
	}
	cached := func() *Kernel {
		list, _ := Cached() // the cache directory is known
		if i := slices.IndexFunc(list, func(k Kernel) bool { return k.Arch == goarch && k.Release == release }); i >= 0 {
			return &list[i]
		}
		return nil
	}
	if k := cached(); k != nil {
		return k, nil
	}
	if from == nil {
		if from, err = ownArchive(ctx); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Join(cache, goarch), 0o755); err != nil {
		return nil, fmt.Errorf("cache a kernel: %w", err)
	}
	unlock, err := lock(filepath.Join(cache, goarch, release+".lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if k := cached(); k != nil { // somebody else was faster
		return k, nil
	}
	if say != nil {
		say(fmt.Sprintf("fetching the kernel of %s for %s", release, goarch))
	}
	if err := from.fetch(ctx, a.deb, "linux-image-"+a.pkg, release, filepath.Join(cache, goarch, release)); err != nil {
		return nil, err
	}
	if k := cached(); k != nil {
		return k, nil
	}
	return nil, &stress.EnvError{What: fmt.Sprintf("the kernel package of %s for %s has no image", release, goarch)}
}

// fetch unpacks a release's newest version of a package of the kernel into dir, all of it or nothing: what a package that has none
// depends on.
func (f *archive) fetch(ctx context.Context, deb, name, release, dir string) error {
	work, err := os.MkdirTemp(filepath.Dir(dir), "fetching-")
	if err != nil {
		return fmt.Errorf("cache a kernel: %w", err)
	}
	defer os.RemoveAll(work)
	for _, d := range []string{"lists/partial", "cache/archives/partial", "parts", "deb", "root"} {
		if err := os.MkdirAll(filepath.Join(work, d), 0o755); err != nil {
			return fmt.Errorf("cache a kernel: %w", err)
		}
	}
	source := "deb "
	if f.keys != "" {
		source += "[signed-by=" + f.keys + "] "
	}
	source += f.site + " " + release + " main\n"
	if err := os.WriteFile(filepath.Join(work, "sources.list"), []byte(source), 0o644); err != nil {
		return fmt.Errorf("cache a kernel: %w", err)
	}
	apt := func(program string, args ...string) ([]byte, error) {
		c := exec.CommandContext(ctx, program, append([]string{
			"-o", "Dir::State::Lists=" + filepath.Join(work, "lists"), "-o", "Dir::Cache=" + filepath.Join(work, "cache"), "-o", "Dir::State::status=/dev/null",
			"-o", "Dir::Etc::sourcelist=" + filepath.Join(work, "sources.list"), "-o", "Dir::Etc::sourceparts=" + filepath.Join(work, "parts"),
			"-o", "APT::Architecture=" + deb, "-o", "APT::Architectures=" + deb, "-o", "APT::Sandbox::User=", "-o", "Acquire::Languages=none", "-qq",
		}, args...)...)
		c.Dir, c.Env = filepath.Join(work, "deb"), append(os.Environ(), "LC_ALL=C")
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := c.Output()
		if err != nil {
			return nil, &stress.EnvError{What: program + " " + args[0] + " failed", Err: commandError(err), Hint: "is " + release + " a release of the distribution, and is there a network?"}
		}
		return out, nil
	}
	if _, err := apt("apt-get", "update", "--error-on=any"); err != nil {
		return err
	}
	// The package depends on the newest version's.
	out, err := apt("apt-cache", "depends", "--important", name)
	if err != nil {
		return err
	}
	pkg := regexp.MustCompile(`(?m)Depends: (linux-(?:image|source)-[0-9][a-z0-9.+~-]*)`).FindSubmatch(out)
	if pkg == nil {
		return &stress.EnvError{What: fmt.Sprintf("%s has no package %s that depends on a version's", release, name)}
	}
	if out, err = apt("apt-cache", "depends", "--important", string(pkg[1])); err != nil {
		return err
	}
	pkgs := []string{string(pkg[1])}
	for _, part := range regexp.MustCompile(`(?m)Depends: (linux-(?:binary|modules)-[0-9][a-z0-9.+~-]*)`).FindAllSubmatch(out, -1) {
		pkgs = append(pkgs, string(part[1])) // since forky the image and its modules are packages of their own
	}
	if _, err := apt("apt-get", append([]string{"download"}, pkgs...)...); err != nil {
		return err
	}
	debs, _ := filepath.Glob(filepath.Join(work, "deb", "*.deb")) // a good pattern
	if len(debs) != len(pkgs) {
		return fmt.Errorf("apt-get download %s made %d files", strings.Join(pkgs, " "), len(debs))
	}
	for _, deb := range debs {
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", deb, filepath.Join(work, "root")).CombinedOutput(); err != nil {
			return &stress.EnvError{What: "cannot unpack " + deb, Err: fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))}
		}
	}
	if err := os.Rename(filepath.Join(work, "root"), dir); err != nil {
		return fmt.Errorf("cache a kernel: %w", err)
	}
	return nil
}

// commandError adds what a command said to how it ended.
func commandError(err error) error {
	var e *exec.ExitError
	if errors.As(err, &e) && len(e.Stderr) > 0 {
		lines := strings.Split(strings.TrimSpace(string(e.Stderr)), "\n")
		return fmt.Errorf("%w: %s", err, strings.Join(lines[:min(len(lines), 3)], "; "))
	}
	return err
}

// lock takes a file's lock, which ends with the process.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close() //nolint:errcheck // the first error counts
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	return func() { f.Close() }, nil
}
