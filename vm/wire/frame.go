// Package wire is what stressd and its agent in a machine say to each other: framed, versioned, checksummed messages over any
// stream of bytes, be it a pipe, a serial line or ssh.
//
// The stream is untrusted. Kernel text, a dying agent's panic or line noise between and inside frames is skipped, counted, and
// kept a little of, so that people can see what came instead; a damaged frame is lost, never believed. Memory is bounded by
// MaxPayload. The package never starts anything and knows no target.
//
// A Writer may be used by several goroutines, its lock is a leaf; a Reader belongs to one.
package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

// Version is the version of the protocol. A Reader refuses frames of any other: both ends come from one source.
const Version = 1

// MaxPayload bounds a frame's payload; a history of thousands of calls is far below it.
const MaxPayload = 8 << 20

// A frame is a header of 20 bytes and the payload, all numbers little endian:
//
//	0  4  magic
//	4  1  version
//	5  1  type
//	6  2  zero
//	8  4  length of the payload
//	12 4  CRC-32C of the payload
//	16 4  CRC-32C of the 16 bytes before
//
// The header has a checksum of its own so that noise which looks like a header makes nobody wait for a payload.
const headerSize = 20

// magic is nothing that a kernel prints: it begins with a byte that is no text and no UTF-8.
var magic = []byte{0xfe, 'T', 'H', 0x1e}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// VersionError says that the other end speaks another version.
type VersionError struct{ Got uint8 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the other end speaks version %d of the protocol, this end version %d: use the same stressd on both", e.Got, Version)
}

// Writer sends messages.
type Writer struct {
	mu  sync.Mutex
	w   io.Writer
	buf []byte
}

// NewWriter returns a Writer on w. Each message is one Write of w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write sends one message.
func (w *Writer) Write(m Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var err error
	w.buf = append(w.buf[:0], make([]byte, headerSize)...)
	if w.buf, err = appendPayload(w.buf, m); err != nil {
		return fmt.Errorf("encode %v: %w", m.Type(), err)
	}
	if size := len(w.buf) - headerSize; size > MaxPayload {
		return fmt.Errorf("send %v: %d bytes are more than a frame's %d", m.Type(), size, MaxPayload)
	}
	putHeader(w.buf, m.Type())
	if _, err := w.w.Write(w.buf); err != nil {
		return fmt.Errorf("send %v: %w", m.Type(), err)
	}
	return nil
}

// AppendFrame appends the frame of a payload, whatever that is, to b: what a Writer sends, if it is the payload of a message.
func AppendFrame(b []byte, t Type, payload []byte) []byte {
	at := len(b)
	b = append(append(b, make([]byte, headerSize)...), payload...)
	putHeader(b[at:], t)
	return b
}

// putHeader fills in the header of a frame.
func putHeader(frame []byte, t Type) {
	h, payload := frame[:headerSize], frame[headerSize:]
	copy(h, magic)
	h[4], h[5] = Version, byte(t)
	binary.LittleEndian.PutUint32(h[8:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(h[12:], crc32.Checksum(payload, castagnoli))
	binary.LittleEndian.PutUint32(h[16:], crc32.Checksum(h[:16], castagnoli))
}

// Reader receives messages.
type Reader struct {
	r       io.Reader
	buf     []byte // [at:] is not consumed yet
	at      int
	skipped int64
	noise   []byte // the last of what was skipped
	damaged int
}

// keepNoise is how much of what is skipped a Reader keeps.
const keepNoise = 4 << 10

// NewReader returns a Reader on r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Noise is how many bytes were skipped so far, and the last of them (at most 4 KiB): what a stranger wrote into the stream.
func (r *Reader) Noise() (skipped int64, last []byte) { return r.skipped, r.noise }

// Damaged is how many frames were lost because their payload was not what its checksum says, or meant nothing.
func (r *Reader) Damaged() int { return r.damaged }

// Next returns the next message that is whole. It skips all else, and damaged frames with it. At the end of the stream the
// error is io.EOF, also if that ends inside a frame; a *VersionError is final as well.
func (r *Reader) Next() (Message, error) {
	for {
		if err := r.toMagic(); err != nil {
			return nil, err
		}
		if err := r.need(headerSize); err != nil {
			return nil, r.end(err)
		}
		h := r.buf[r.at : r.at+headerSize]
		size := binary.LittleEndian.Uint32(h[8:])
		if crc32.Checksum(h[:16], castagnoli) != binary.LittleEndian.Uint32(h[16:]) {
			r.skip(1) // no header: only looks like one
			continue
		}
		if h[4] != Version {
			return nil, &VersionError{h[4]}
		}
		if size > MaxPayload || h[6]|h[7] != 0 {
			r.damaged++
			r.skip(1)
			continue
		}
		typ, sum := Type(h[5]), binary.LittleEndian.Uint32(h[12:])
		if err := r.need(headerSize + int(size)); err != nil {
			return nil, r.end(err)
		}
		payload := r.buf[r.at+headerSize : r.at+headerSize+int(size)]
		if crc32.Checksum(payload, castagnoli) != sum {
			r.damaged++
			r.skip(1) // a whole frame may lie inside: the rest of this one was lost on the way
			continue
		}
		m, err := parsePayload(typ, payload)
		if err != nil {
			r.damaged++
			r.skip(headerSize + int(size))
			continue
		}
		r.at += headerSize + int(size)
		return m, nil
	}
}

// end makes an end inside a frame the end of the stream: what is left of it is noise.
func (r *Reader) end(err error) error {
	if errors.Is(err, io.EOF) {
		r.skip(len(r.buf) - r.at)
	}
	return err
}

// toMagic skips to where a frame may begin.
func (r *Reader) toMagic() error {
	for {
		rest := r.buf[r.at:]
		if i := bytes.Index(rest, magic); i >= 0 {
			r.skip(i)
			return nil
		}
		// The beginning of a magic may lie at the end.
		if drop := len(rest) - (len(magic) - 1); drop > 0 {
			r.skip(drop)
		}
		if err := r.fill(1); err != nil {
			return r.end(err)
		}
	}
}

// need makes n bytes from at on available.
func (r *Reader) need(n int) error {
	for len(r.buf)-r.at < n {
		if err := r.fill(n - (len(r.buf) - r.at)); err != nil {
			return err
		}
	}
	return nil
}

// fill reads once, n bytes if they are there already.
func (r *Reader) fill(n int) error {
	if r.at > 0 {
		r.buf = r.buf[:copy(r.buf, r.buf[r.at:])]
		r.at = 0
	}
	const chunk = 32 << 10
	n = min(max(n, chunk), 8*chunk) // a header may lie: memory grows with what has come, and not with what is promised
	have := len(r.buf)
	if cap(r.buf)-have < n {
		r.buf = append(r.buf, make([]byte, n)...)
	}
	r.buf = r.buf[:have+n]
	got, err := r.r.Read(r.buf[have:])
	r.buf = r.buf[:have+got]
	if got > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// skip passes over n bytes that are no message.
func (r *Reader) skip(n int) {
	r.skipped += int64(n)
	r.noise = append(r.noise, r.buf[r.at:r.at+n]...)
	if over := len(r.noise) - keepNoise; over > 0 {
		r.noise = append(r.noise[:0], r.noise[over:]...)
	}
	r.at += n
}
