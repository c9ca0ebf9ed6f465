// Package input knows what the bytes of the fuzz targets that run scenarios mean, and the files in which native Go fuzzing,
// go-fuzz and libFuzzer keep such bytes.
//
// It runs nothing but what a generator tries on the engine (gen.Grower). Bytes and files are untrusted: any bytes are an input, and
// what is read of a file or a directory is bounded. Nothing here is shared, so there are no locks.
package input

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strings"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/fuzz/gen"
	"tracehammer/stress/schedule"
)

// MaxStream bounds the decisions of an input: behind them the fair schedule takes over anyway.
const MaxStream = schedule.UnfairSteps

// Input is what bytes mean: a scenario, the kernel that the engine is to be, and the schedule of one run.
type Input struct {
	Profile  Profile
	Scenario *corpus.Scenario // valid
	Stream   schedule.Stream  // at most MaxStream decisions
}

// Profile is one of the engine's profiles. Its number is part of the byte form, so names are only ever appended.
type Profile uint8

var profileNames = [...]string{"", "utrace-2009", "linux-4.7", "linux-5.10", "linux-6.1", "linux-6.18/arm64", "linux-6.18/riscv64", "gvisor"}

var profiles = func() (all [len(profileNames)]engine.Profile) {
	for i, name := range profileNames[1:] {
		p, err := engine.ParseProfile(name)
		if err != nil {
			panic(err) // constant names
		}
		all[i+1] = p
	}
	return all
}()

// String is the profile's name as engine.ParseProfile knows it; "" is the zero engine.Profile.
func (p Profile) String() string { return profileNames[int(p)%len(profileNames)] }

// ParseProfile is the inverse of String.
func ParseProfile(name string) (Profile, error) {
	for i, n := range profileNames {
		if n == name {
			return Profile(i), nil
		}
	}
	return 0, fmt.Errorf("profile %.40q is none of those that inputs have: %s", name, strings.Join(profileNames[1:], ", "))
}

// Engine returns what the engine is to be.
func (p Profile) Engine() engine.Profile { return profiles[int(p)%len(profiles)] }

// The byte form is
//
//	PROFILE SCENARIO 80 00 STREAM
//
// with one byte for the profile, the scenario as corpus.Encode writes it, and a byte for each decision of the schedule. If the first byte has its highest
// bit, what follows is no scenario, but what one grows of (gen.Grower): half of what a fuzzer tries first when it has no corpus. The scenario is
// varints, none of which ends with a zero byte behind others, so that the scenario never contains the mark. The mark, and
// no length, tells where the stream begins: a fuzzer that inserts or drops bytes of the scenario leaves the schedule alone,
// one that does so in the schedule leaves the scenario and all earlier decisions alone, and one that cuts the end off cuts
// the schedule. Without a mark there is no stream.
var mark = []byte{0x80, 0}

// Decode returns the input that any bytes mean.
func Decode(data []byte) Input {
	return decode(data, corpus.Decode, func(b []byte) *corpus.Scenario { return new(gen.Grower).Grow(b) })
}

// grows is the bit of the first byte which says that the scenario grows of what follows.
const grows = 0x80

// Grows says whether the scenario of an input grows of its bytes.
func Grows(data []byte) bool { return len(data) > 0 && data[0]&grows != 0 }

// Decoder decodes in the memory of the inputs before.
type Decoder struct {
	scenario corpus.Decoder
	grower   gen.Grower
}

// Drawn is how many decisions an input that is run has at least.
const Drawn = 64

// Run returns what a fuzz target runs: Decode, but for what makes no difference to a run of the scenario on the engine (see
// corpus.Decoder), and with decisions drawn by a hash of all bytes behind those of a stream of less than Drawn. So each mutation of an
// input is another schedule as well: a bug that shows in one schedule of fifty of one seed is found when the fuzzer comes by that
// seed, and need not wait until it has built the schedule byte by byte.
func (d *Decoder) Run(data []byte) Input {
	in := decode(data, d.scenario.DecodeRun, d.grower.Grow)
	if n := len(in.Stream); n < Drawn {
		in.Stream = draw(append(make(schedule.Stream, 0, Drawn), in.Stream...), uint64(crc32.ChecksumIEEE(data)), 0)
	}
	return in
}

// Others is how many schedules FuzzChecker tries beside that of the input.
const Others = 7

// Other returns schedule k, from 0 to Others-1, that is tried beside the input's own: decisions drawn by a hash of all bytes, in every other schedule
// with a stubbornness of three in four, so that one actor comes far while the others stand: in 64 such schedules of each seed
// utrace-done-too-early showed eight times, in four seeds, and in 64 without it once, but it was the other way round with echild-while-reaping.
// It is written to the memory of to.
func Other(to schedule.Stream, data []byte, k int) schedule.Stream {
	return draw(to[:0], uint64(crc32.ChecksumIEEE(data))^uint64(k+1)*0xd1342543de82ef95, k%2*3)
}

// draw fills a stream up to Drawn decisions with those that a number makes; in stubborn of four times with the one before again.
func draw(s schedule.Stream, x uint64, stubborn int) schedule.Stream {
	for len(s) < Drawn {
		x += 0x9e3779b97f4a7c15 // splitmix64
		z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		if len(s) > 0 && int(z&3) < stubborn {
			s = append(s, s[len(s)-1])
		} else {
			s = append(s, byte(z>>56))
		}
	}
	return s
}

func decode(data []byte, scenario, grow func([]byte) *corpus.Scenario) Input {
	var in Input
	if len(data) > 0 {
		in.Profile = Profile(int(data[0]&^grows) % len(profileNames))
		if Grows(data) {
			scenario = grow
		}
		data = data[1:]
	}
	body, stream, _ := bytes.Cut(data, mark)
	in.Scenario = scenario(body)
	in.Stream = schedule.Stream(stream[:min(len(stream), MaxStream)])
	return in
}

// MaxRepeat bounds the rounds of a loop in the runs of fuzz targets.
const MaxRepeat = 8

// Bound shortens loops, as the targets do before they run a scenario, so that no input takes long: a stream is that of the
// scenario with the shorter loops.
func Bound(s *corpus.Scenario) {
	s.Walk(func(st corpus.Stmt) {
		if l, ok := st.(*corpus.Repeat); ok && l.N > MaxRepeat {
			l.N = 1 + l.N%MaxRepeat
		}
	})
}

// Encode returns bytes that mean in; Decode(Encode(in)) is in but for the names and comments of the scenario.
func Encode(in Input) []byte {
	b := append([]byte{byte(in.Profile)}, corpus.Encode(in.Scenario)...)
	if len(in.Stream) == 0 {
		return b
	}
	b = append(b, mark...)
	return append(b, in.Stream[:min(len(in.Stream), MaxStream)]...)
}
