package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"tracehammer/stress"
)

// A tree is what a kernel is built from: directories of our own, with a link for every file of a source tree, which stays as it is.
// What a patch changes is a file in place of a link. That file stays a file when the patch is left out, with what the source has:
// make goes by times, and a link would look older than what was built from the patched file.
type tree struct {
	source string // absolute
	dir    string
}

// built are in source trees that a kernel was built in, where make would find objects that are not of this build.
var built = []string{".config", "include/config", "include/generated", "arch/um/include/generated", "arch/x86/include/generated"}

// sync makes the tree have what the source has. It returns the names of files that are none of links.
func (t *tree) sync(ctx context.Context) (files []string, err error) {
	tracked, err := t.tracked(ctx)
	if err != nil {
		return nil, err
	}
	if tracked == nil {
		for _, name := range built {
			if _, err := os.Lstat(filepath.Join(t.source, name)); err == nil {
				return nil, &stress.EnvError{What: fmt.Sprintf("a kernel was built in %s: it has %s", t.source, name),
					Hint: "make mrproper there, or name a git checkout, whose files are known"}
			}
		}
	}
	err = t.syncDir("", tracked, &files)
	if err != nil {
		err = fmt.Errorf("mirror the source %s: %w", t.source, err)
	}
	return files, err
}

// tracked are the files of a source tree in git, by directory, with those that git would add; nil if it is in none.
func (t *tree) tracked(ctx context.Context) (map[string][]string, error) {
	if _, err := os.Lstat(filepath.Join(t.source, ".git")); err != nil {
		return nil, nil
	}
	out, err := exec.CommandContext(ctx, "git", "-C", t.source, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return nil, &stress.EnvError{What: "cannot ask git for the files of " + t.source, Err: commandError(err)}
	}
	dirs := map[string][]string{}
	for path := range bytes.SplitSeq(out, []byte{0}) {
		name := string(path)
		for name != "" && name != "." { // and the directories that it is in
			dir := filepath.Dir(name)
			if list := dirs[dir]; len(list) > 0 && list[len(list)-1] == filepath.Base(name) { // git lists in order
				break
			}
			dirs[dir] = append(dirs[dir], filepath.Base(name))
			name = dir
		}
	}
	return dirs, nil
}

// syncDir makes one directory of the tree have what the source's has, and those below.
func (t *tree) syncDir(dir string, tracked map[string][]string, files *[]string) error {
	wanted := map[string]bool{} // whether it is a directory
	if tracked == nil {
		entries, err := os.ReadDir(filepath.Join(t.source, dir))
		if err != nil {
			return err
		}
		for _, e := range entries {
			wanted[e.Name()] = e.IsDir()
		}
	} else {
		for _, name := range tracked[filepath.Join(".", dir)] {
			info, err := os.Lstat(filepath.Join(t.source, dir, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed, and git was not told yet
			}
			if err != nil {
				return err
			}
			wanted[name] = info.IsDir()
		}
	}
	if err := os.MkdirAll(filepath.Join(t.dir, dir), 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(t.dir, dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		isDir, is := wanted[e.Name()]
		switch {
		case e.Type().IsRegular() && !isDir:
			*files = append(*files, filepath.Join(dir, e.Name()))
			delete(wanted, e.Name())
		case !is || isDir != e.IsDir():
			if err := os.RemoveAll(filepath.Join(t.dir, dir, e.Name())); err != nil {
				return err
			}
		case !isDir:
			delete(wanted, e.Name())
		}
	}
	for name, isDir := range wanted {
		path := filepath.Join(dir, name)
		if !isDir {
			err = os.Symlink(filepath.Join(t.source, path), filepath.Join(t.dir, path))
		} else {
			err = t.syncDir(path, tracked, files)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// patch makes the tree have what the source has with these patches applied; files are those that are none of links yet.
func (t *tree) patch(ctx context.Context, patches, files []string, work string) error {
	var texts [][]byte
	for _, p := range patches {
		text, err := os.ReadFile(p)
		if err != nil {
			return fmt.Errorf("read a patch: %w", err)
		}
		touched := patched(text)
		if len(touched) == 0 {
			return fmt.Errorf("patch %s changes no file", p)
		}
		texts, files = append(texts, text), append(files, touched...)
	}
	slices.Sort(files)
	files = slices.Compact(files)
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	for _, name := range files {
		err := copyFile(filepath.Join(work, name), filepath.Join(t.source, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // which a patch may make
			return err
		}
	}
	for i, text := range texts {
		c := exec.CommandContext(ctx, "patch", "-p1", "--batch", "--forward", "--no-backup-if-mismatch", "--reject-file=-")
		c.Dir, c.Stdin, c.Env = work, bytes.NewReader(text), append(os.Environ(), "LC_ALL=C")
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%s does not apply to %s: %w: %s", patches[i], t.source, err, strings.Join(strings.Fields(string(out)), " "))
		}
	}
	for _, name := range files {
		if err := t.replace(name, filepath.Join(work, name)); err != nil {
			return err
		}
	}
	return os.RemoveAll(work)
}

// replace makes a file of the tree have what another one has. If it has it already its time stays.
func (t *tree) replace(name, with string) error {
	path := filepath.Join(t.dir, name)
	want, err := os.ReadFile(with)
	if errors.Is(err, fs.ErrNotExist) {
		return os.RemoveAll(path)
	}
	if err != nil {
		return err
	}
	if has, err := os.ReadFile(path); err == nil && bytes.Equal(has, want) {
		return nil
	}
	if err := os.RemoveAll(path); err != nil { // never through the link
		return err
	}
	return copyFile(path, with)
}

// copyFile makes a file with the contents and the permissions of another one, and the directories that it is in.
func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, info.Mode().Perm())
}

// patched are the names of the files that a patch changes, makes or removes, without the first directory, as patch -p1 reads them.
func patched(text []byte) (names []string) {
	for line := range bytes.Lines(text) {
		name, is := bytes.CutPrefix(line, []byte("+++ "))
		if !is {
			name, is = bytes.CutPrefix(line, []byte("--- "))
		}
		if !is {
			continue
		}
		name, _, _ = bytes.Cut(bytes.TrimRight(name, "\r\n"), []byte("\t"))
		if _, rest, ok := strings.Cut(string(name), "/"); ok && rest != "dev/null" && filepath.IsLocal(rest) && string(name) != "/dev/null" {
			names = append(names, rest)
		}
	}
	return names
}
