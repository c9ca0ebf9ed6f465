package readers_test

import (
	"bytes"
	"testing"

	"tracehammer/engine"
	"tracehammer/fuzz/input/inputtest"
	"tracehammer/fuzz/readers"
	"tracehammer/stress"
	"tracehammer/vm/wire"
)

func FuzzAgent(f *testing.F) {
	var whole bytes.Buffer
	whole.WriteByte(0) // as it is
	w := wire.NewWriter(&whole)
	for _, m := range []wire.Message{
		&wire.Hello{Machine: stress.Machine{Arch: "s390x"}}, &wire.Result{ID: 1, History: aHistory(f)}, &wire.Pulse{Awake: 1},
		&wire.Run{ID: 1, Program: &engine.Program{}}, &wire.Done{ID: 1, Fault: &wire.Fault{Kind: wire.FaultProgram, Text: "x"}}, &wire.Bye{},
	} {
		if err := w.Write(m); err != nil {
			f.Fatal(err)
		}
		whole.WriteString("[    1.0] random: crng init done\r\n")
	}
	inputtest.Add(f, whole.Bytes())
	inputtest.Add(f, whole.Bytes()[:whole.Len()/2])
	inputtest.Add(f, []byte("\x01\x05\x09\x08{\"id\":7}\xff\x03abc\x06\x0f\x0e{\"awake\":12345}\x63\x00\x03\x02\x02{}abc"))
	f.Fuzz(func(t *testing.T, data []byte) { readers.FuzzAgent(data) })
}
