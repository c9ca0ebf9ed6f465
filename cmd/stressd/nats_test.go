//go:build !agent

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rogpeppe/go-internal/testscript"
)

// nats CONFIG: starts a NATS server with JetStream until the script ends; $NATS is where it listens.
func cmdNats(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: nats config")
	}
	o, err := server.ProcessConfigFile(ts.MkAbs(args[0]))
	ts.Check(err)
	o.Host, o.Port, o.JetStream, o.StoreDir, o.NoLog, o.NoSigs = "127.0.0.1", -1, true, ts.MkAbs("jetstream"), true, true
	s, err := server.NewServer(o)
	ts.Check(err)
	s.Start()
	ts.Defer(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(time.Minute) {
		ts.Fatalf("the server does not start")
	}
	ts.Setenv("NATS", s.Addr().String())
}

// unseen SECRET DIR: the text is in no process's command line or environment, and in no file below the directory.
func cmdUnseen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: unseen secret dir")
	}
	found := func(where string, b []byte) {
		if bytes.Contains(b, []byte(args[0])) {
			ts.Fatalf("%s has the secret", where)
		}
	}
	eachProcess(func(pid int, stat []string) {
		for _, name := range []string{"cmdline", "environ"} {
			file := fmt.Sprintf("/proc/%d/%s", pid, name)
			b, err := os.ReadFile(file)
			if err == nil { // it may have ended
				found(file, b)
			}
		}
	})
	files := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[1]), func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // likewise
		}
		if b, err := os.ReadFile(file); err == nil {
			files++
			found(strings.TrimPrefix(file, ts.Getenv("WORK")), b)
		}
		return nil
	}))
	if files == 0 {
		ts.Fatalf("no files in %s", args[1])
	}
}
