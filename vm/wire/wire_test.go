package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"tracehammer/engine"
	"tracehammer/stress"
)

// samples has one message of each type.
func samples() []Message {
	return []Message{
		&Hello{Build: "x", Machine: stress.Machine{Kernel: "Linux 6.1", Arch: "s390x", CPUs: []int{0, 1}}, Features: map[string]bool{"yama": false}, Work: time.Millisecond, Init: true},
		&Run{ID: 7, Program: &engine.Program{Vars: 1, Actors: []engine.Actor{{Name: "main", Code: []engine.Instr{{Op: engine.OpEnd, Dst: engine.NoVar, Src: -1}}}}},
			Plan: stress.Plan{Seed: 1 << 63, Repeat: 3, Delays: []stress.DelayRange{{Lo: 1, Hi: 2}}, CPUs: []int{-1}}},
		&Result{ID: 7, History: []byte("{}\n\xff\x00")},
		&Done{ID: 7, Fault: &Fault{Kind: FaultEnv, Text: "no", Hint: "do"}},
		&Stop{ID: 7}, &Pulse{Awake: 5}, &File{Path: "/a", Mode: 0o755, First: true, Data: magic},
		&Exec{ID: 1, Argv: []string{"a", "b c"}}, &Input{ID: 1, EOF: true}, &Output{ID: 1, Stream: 2, Data: []byte("x")},
		&Exit{ID: 1, Code: -1, Signal: 9}, &Bye{}, &Ack{Bytes: 1 << 40},
	}
}

func encode(t testing.TB, ms ...Message) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, m := range ms {
		if err := w.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// drain reads all messages of a stream that ends well.
func drain(t testing.TB, r *Reader) (got []Message) {
	t.Helper()
	for {
		m, err := r.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
}

func TestRoundTrip(t *testing.T) {
	want := samples()
	if len(want) != int(numTypes)-1 {
		t.Errorf("%d samples for %d types", len(want), numTypes-1)
	}
	b := encode(t, want...)
	for name, r := range map[string]io.Reader{"whole": bytes.NewReader(b), "byte by byte": iotest.OneByteReader(bytes.NewReader(b))} {
		rd := NewReader(r)
		got := drain(t, rd)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v", name, got)
		}
		if n, _ := rd.Noise(); n != 0 || rd.Damaged() != 0 {
			t.Errorf("%s: %d bytes of noise, %d damaged", name, n, rd.Damaged())
		}
	}
}

// TestNoise: whatever lies between frames, all of them arrive, and what was skipped is counted to the byte.
func TestNoise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b bytes.Buffer
		var want []Message
		noise := 0
		put := func(p []byte) {
			// Noise with a whole frame in it is none; a piece of one is.
			b.Write(p)
			noise += len(p)
		}
		for range rapid.IntRange(0, 5).Draw(t, "messages") {
			switch rapid.IntRange(0, 3).Draw(t, "noise") {
			case 0:
				put(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "bytes"))
			case 1:
				put(bytes.Repeat(magic, rapid.IntRange(1, 20).Draw(t, "magics")))
			case 2:
				f := frame(&Stop{ID: 1})
				put(f[:rapid.IntRange(1, len(f)-1).Draw(t, "cut")])
			}
			m := &Output{ID: uint32(len(want)), Stream: 1, Data: rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "data")}
			if len(m.Data) == 0 {
				m.Data = nil
			}
			want = append(want, m)
			b.Write(frame(m))
		}
		r := NewReader(&b)
		for i, w := range want {
			m, err := r.Next()
			if err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
			got, ok := m.(*Output)
			if !ok || got.ID != w.(*Output).ID || !bytes.Equal(got.Data, w.(*Output).Data) {
				t.Fatalf("message %d: got %+v, sent %+v", i, m, w)
			}
		}
		if n, _ := r.Noise(); n != int64(noise) {
			t.Errorf("%d bytes of noise, sent %d", n, noise)
		}
	})
}

func frame(m Message) []byte {
	var b bytes.Buffer
	if err := NewWriter(&b).Write(m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// TestDamage: one damaged byte anywhere loses that frame and no other, and none is believed.
func TestDamage(t *testing.T) {
	before, hit, after := frame(&Stop{ID: 1}), frame(&Exec{ID: 2, Argv: []string{"a"}}), frame(&Stop{ID: 3})
	for i := range hit {
		b := append(append(append([]byte{}, before...), hit...), after...)
		b[len(before)+i] ^= 0x40
		got := drain(t, NewReader(bytes.NewReader(b)))
		if len(got) != 2 || got[0].(*Stop).ID != 1 || got[1].(*Stop).ID != 3 {
			t.Errorf("byte %d damaged: got %+v", i, got)
		}
	}
}

// header writes the header of a frame by hand.
func header(version, typ byte, size uint32, payload []byte) []byte {
	h := make([]byte, headerSize)
	copy(h, magic)
	h[4], h[5] = version, typ
	binary.LittleEndian.PutUint32(h[8:], size)
	binary.LittleEndian.PutUint32(h[12:], crc32.Checksum(payload, castagnoli))
	binary.LittleEndian.PutUint32(h[16:], crc32.Checksum(h[:16], castagnoli))
	return append(h, payload...)
}

// TestLies: headers with good checksums that promise what does not come, or what cannot be.
func TestLies(t *testing.T) {
	good := frame(&Stop{ID: 3})
	for name, b := range map[string][]byte{
		"longer than any":     header(Version, byte(TypeStop), MaxPayload+1, nil),
		"unknown type":        header(Version, 99, 3, []byte("\x02{}")),
		"type 0":              header(Version, 0, 3, []byte("\x02{}")),
		"no fields":           header(Version, byte(TypeStop), 0, nil),
		"fields beyond":       header(Version, byte(TypeStop), 3, []byte("\x7f{}")),
		"no JSON":             header(Version, byte(TypeStop), 3, []byte("\x02}{")),
		"bytes after":         header(Version, byte(TypeStop), 4, []byte("\x02{}x")),
		"run without program": header(Version, byte(TypeRun), 3, []byte("\x02{}")),
	} {
		r := NewReader(bytes.NewReader(append(b, good...)))
		got := drain(t, r)
		if len(got) != 1 || got[0].(*Stop).ID != 3 || r.Damaged() != 1 {
			t.Errorf("%s: got %+v, %d damaged", name, got, r.Damaged())
		}
	}
	// A promise that is not kept ends with the stream, and costs no memory.
	r := NewReader(bytes.NewReader(append(header(Version, byte(TypeResult), MaxPayload, nil), good...)))
	if got := drain(t, r); len(got) != 0 || cap(r.buf) > 1<<20 {
		t.Errorf("an unkept promise: got %v, %d bytes of buffer", got, cap(r.buf))
	}
	var v *VersionError
	if _, err := NewReader(bytes.NewReader(header(Version+1, byte(TypeStop), 0, nil))).Next(); !errors.As(err, &v) || v.Got != Version+1 {
		t.Errorf("another version: %v", err)
	}
}

// TestFlood: a hundred megabytes of garbage are skipped in bounded memory, and what comes after them arrives.
func TestFlood(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{})
	r := NewReader(io.MultiReader(io.LimitReader(rng, 100<<20), bytes.NewReader(frame(&Stop{ID: 9}))))
	m, err := r.Next()
	if err != nil || m.(*Stop).ID != 9 {
		t.Fatalf("got %v, %v", m, err)
	}
	if n, last := r.Noise(); n != 100<<20 || len(last) > keepNoise || cap(r.buf) > 1<<20 {
		t.Errorf("%d bytes skipped, %d kept, %d of buffer", n, len(last), cap(r.buf))
	}
}

func TestTooLong(t *testing.T) {
	if err := NewWriter(io.Discard).Write(&Result{History: make([]byte, MaxPayload)}); err == nil {
		t.Error("a message longer than a frame was sent")
	}
}

// TestWindow: no more than the window is ever on its way, all of it arrives, and an end that takes nothing is told from one
// that is slow.
func TestWindow(t *testing.T) {
	const size = 64
	r, w := io.Pipe()
	win := NewWindow(w, size, time.Minute)
	acks, acked := io.Pipe()
	var most, read int64
	go func() {
		defer acked.Close()
		in := Acknowledge(r, NewWriter(acked), size)
		buf := make([]byte, 7)
		for {
			n, err := in.Read(buf)
			if err != nil {
				return
			}
			read += int64(n)
		}
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for acks := NewReader(acks); ; {
			m, err := acks.Next()
			if err != nil {
				return
			}
			win.mu.Lock()
			most = max(most, win.sent-win.acked)
			win.mu.Unlock()
			win.Acked(m.(*Ack))
		}
	}()
	if n, err := win.Write(make([]byte, 100*size)); n != 100*size || err != nil {
		t.Errorf("wrote %d: %v", n, err)
	}
	w.Close()
	<-done
	if read != 100*size || most == 0 || most > size {
		t.Errorf("%d bytes came, %d were on their way", read, most)
	}
	win = NewWindow(io.Discard, size, time.Millisecond)
	win.Acked(&Ack{Bytes: 1 << 40}) // of what was not sent
	if n, err := win.Write(make([]byte, size+1)); n != size || !errors.Is(err, ErrShut) {
		t.Errorf("wrote %d: %v", n, err)
	}
}
