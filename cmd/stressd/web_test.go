//go:build !agent

package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

var servedAt = regexp.MustCompile(`pages on (http://\S+?)/(?:, with the token (\S+))?$`)

// served CODE PATH PROGRAM ARGS: runs a program that serves pages, asks for one as soon as it says where they are, with the token that
// it says, writes the answer to served.out, its status first, and stops the program by SIGINT, after which it must exit with the code.
func cmdServed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: served code path program args...")
	}
	path, err := exec.LookPath(args[2])
	ts.Check(err)
	c := exec.Command(path, args[3:]...)
	c.Dir, c.Env = ts.Getenv("WORK"), append(os.Environ(), "XDG_STATE_HOME="+ts.Getenv("XDG_STATE_HOME"))
	stderr, err := c.StderrPipe()
	ts.Check(err)
	ts.Check(c.Start())
	var said strings.Builder
	in := bufio.NewScanner(stderr)
	for at := ""; in.Scan(); {
		said.WriteString(in.Text() + "\n")
		m := servedAt.FindStringSubmatch(in.Text())
		if m == nil || at != "" {
			continue
		}
		at = m[1]
		ts.Check(os.WriteFile(ts.MkAbs("served.out"), []byte(fetch(ts, at+args[1], m[2])), 0o644))
		ts.Check(c.Process.Signal(unix.SIGINT))
	}
	err = c.Wait()
	ts.Logf("%s", said.String())
	code := 0
	if c.ProcessState != nil {
		code = c.ProcessState.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, expected %s: %v", code, args[0], err)
	}
}

// fetch asks for a page, and says its status and text.
func fetch(ts *testscript.TestScript, url, token string) string {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	ts.Check(err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	ts.Check(err)
	return fmt.Sprintf("%d\n%s", res.StatusCode, text)
}
