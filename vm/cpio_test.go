package vm

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"testing"
)

// TestCpio has cpio(1), where there is one, read what is written, and compares two archives of the same files.
func TestCpio(t *testing.T) {
	files := Files{
		"/init":        {Mode: 0o755, Data: []byte("odd")},
		"/etc/a/b":     {Mode: 0o600, Data: []byte("four")},
		"/dev/console": {Mode: 0o600 | fs.ModeDevice | fs.ModeCharDevice, Dev: [2]uint32{5, 1}},
		"/etc-":        {Mode: 0o644},
	}
	var b, again bytes.Buffer
	if err := WriteCpio(&b, files); err != nil {
		t.Fatal(err)
	}
	if err := WriteCpio(&again, files); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Errorf("not reproducible: %v", err)
	}
	for _, bad := range []string{"init", "/", "/a/", "/a/../b", ""} {
		if err := WriteCpio(&again, Files{bad: {}}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if err := WriteCpio(&again, Files{"/link": {Mode: fs.ModeSymlink}}); err == nil {
		t.Error("a link was taken")
	}
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Logf("SKIPPED, not passed: reading with cpio(1): %v", err)
		return
	}
	dir := t.TempDir()
	c := exec.Command("cpio", "-idm", "--quiet", "--no-absolute-filenames")
	c.Dir, c.Stdin = dir, &b
	if os.Geteuid() != 0 {
		c.Args = append(c.Args, "init", "etc*") // devices are root's
	}
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v\n%s", err, out)
	}
	for name, want := range map[string]string{"init": "odd", "etc/a/b": "four", "etc-": ""} {
		if got, err := os.ReadFile(dir + "/" + name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if st, err := os.Stat(dir + "/init"); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("init: %v, %v", st.Mode(), err)
	}
}
