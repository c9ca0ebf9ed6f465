package readers

import (
	"bytes"
	"errors"
	"io"
	"reflect"

	"tracehammer/fuzz/memory"
	"tracehammer/stress/history/jsonl"
	"tracehammer/vm/wire"
)

// FuzzAgent reads bytes as what an agent in a machine sends, with whatever a dying kernel writes in between. The first byte
// says how: as they are, or cut into pieces, each of which is either noise or the payload of a frame with good checksums,
// so that what lies behind the checksums is reached. It asserts that the reader never panics and takes every byte once,
// that what it accepts is sent so that it is read as the same, and that frames whose payload means nothing are counted and
// not believed.
func FuzzAgent(data []byte) int { return memory.Bounded("FuzzAgent", agentStream, data) }

func agentStream(data []byte) int {
	if len(data) == 0 {
		return never
	}
	stream, frames := data[1:], 0
	if data[0]&1 != 0 {
		stream, frames = framed(data[1:])
	}
	r := wire.NewReader(bytes.NewReader(stream))
	messages := 0
	for {
		m, err := r.Next()
		var version *wire.VersionError
		if errors.As(err, &version) {
			return neutral
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			violated("FuzzAgent", "%v", err)
		}
		messages++
		again, err := wire.NewReader(bytes.NewReader(sent(m))).Next()
		if err != nil || !reflect.DeepEqual(again, m) {
			violated("FuzzAgent", "%+v is read again as %+v, %v", m, again, err)
		}
		if m, ok := m.(*wire.Result); ok {
			jsonl.Read(bytes.NewReader(m.History)) //nolint:errcheck // FuzzHistory looks at that
		}
	}
	skipped, last := r.Noise()
	if skipped > int64(len(stream)) || len(last) > int(skipped) {
		violated("FuzzAgent", "%d bytes skipped of %d, %d kept", skipped, len(stream), len(last))
	}
	if messages == 0 && skipped != int64(len(stream)) {
		violated("FuzzAgent", "%d bytes skipped of %d, although there was no message", skipped, len(stream))
	}
	if messages+r.Damaged() < frames {
		violated("FuzzAgent", "%d messages and %d damaged frames of %d with good checksums", messages, r.Damaged(), frames)
	}
	if messages > 0 {
		return keep
	}
	return neutral
}

// framed cuts bytes into pieces: a byte says the type of the frame that the piece is the payload of, or that it is noise,
// and another one how long it is.
func framed(b []byte) (stream []byte, frames int) {
	for len(b) >= 2 {
		typ, n := b[0], min(int(b[1]), len(b)-2)
		piece := b[2 : 2+n]
		b = b[2+n:]
		if typ == 0xff {
			stream = append(stream, piece...)
			continue
		}
		stream = wire.AppendFrame(stream, wire.Type(typ), piece)
		frames++
	}
	return stream, frames
}

func sent(m wire.Message) []byte {
	var b bytes.Buffer
	if err := wire.NewWriter(&b).Write(m); err != nil {
		violated("FuzzAgent", "a message that was read cannot be sent: %v", err)
	}
	return b.Bytes()
}
