package campaign

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

// CampaignFile is a campaign file: a description of a campaign, in TOML. What it does not say is up to the defaults.
type CampaignFile struct {
	For       *Duration    `toml:"for"`
	Runs      *runsValue   `toml:"runs"` // of each target
	Seed      *seedValue   `toml:"seed"`
	Workers   *countValue  `toml:"workers"`
	State     *textValue   `toml:"state"`
	Profile   profileValue `toml:"profile"`
	Scenarios []textValue  `toml:"scenarios"` // patterns of files
	Targets   []FileTarget `toml:"target"`
	Limits    Limits       `toml:"limits"`
	path      string
}

// FileTarget is a target in a campaign file.
type FileTarget struct {
	Name   targetValue  `toml:"name"`
	Weight *weightValue `toml:"weight"`
}

// FileError is a campaign file that cannot be used: where in it, what is wrong, and what to write instead.
type FileError struct {
	Path string
	Line int // 0: nowhere in particular
	What string
}

func (e *FileError) Error() string {
	where := history.Printable(e.Path)
	if e.Line > 0 {
		where += ":" + strconv.Itoa(e.Line)
	}
	return where + ": " + history.Printable(e.What)
}

// maxCampaignFile is the longest campaign file that a reader believes.
const maxCampaignFile = 1 << 20

// ReadCampaignFile reads a campaign file.
func ReadCampaignFile(path string) (*CampaignFile, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read campaign file: %w (stressd init writes one)", err)
	case !info.Mode().IsRegular() || info.Size() > maxCampaignFile:
		return nil, &FileError{path, 0, "this is no campaign file: stressd init writes one"}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read campaign file: %w", err)
	}
	return parseFile(path, string(text))
}

func parseFile(path, text string) (*CampaignFile, error) {
	f := &CampaignFile{path: path}
	bad := func(line int, format string, args ...any) (*CampaignFile, error) {
		return nil, &FileError{path, line, fmt.Sprintf(format, args...)}
	}
	meta, err := toml.Decode(text, f)
	var at toml.ParseError
	switch {
	case errors.As(err, &at):
		what := at.Message
		if what == "" {
			what = strings.TrimPrefix(err.Error(), "toml: ")
		}
		if at.LastKey != "" && !strings.Contains(what, at.LastKey) {
			what = at.LastKey + ": " + what
		}
		return bad(at.Position.Line, "%s", what)
	case err != nil:
		return bad(0, "%s", strings.TrimPrefix(err.Error(), "toml: "))
	}
	for _, k := range meta.Undecoded() {
		name := k[len(k)-1]
		return bad(lineOf(text, name), "unknown key %q: known are for, runs, seed, workers, state, profile, scenarios, [[target]] with name and weight, [limits] with memory and disk", k.String())
	}
	seen := map[targetValue]bool{}
	for _, t := range f.Targets {
		switch {
		case t.Name == "":
			return bad(lineOf(text, "[[target]]"), "a [[target]] without name: write name = \"engine\", as --target takes it")
		case seen[t.Name]:
			return bad(0, "target %q is there twice: give it a weight instead", string(t.Name))
		}
		seen[t.Name] = true
	}
	return f, nil
}

// lineOf finds the line that begins with a key, as well as can be told without parsing; 0 if there is none.
func lineOf(text, key string) int {
	is := regexp.MustCompile(`^\s*\[*"?` + regexp.QuoteMeta(strings.Trim(key, "[]")) + `"?\s*(=|\]|\.)`)
	for n, l := range strings.Split(text, "\n") {
		if is.MatchString(l) {
			return n + 1
		}
	}
	return 0
}

// relative is a path as the file means it: from where the file is.
func (f *CampaignFile) relative(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(f.path), path)
}

// Apply gives a configuration what the file says where a flag did not; for is left to the caller. It returns the scenario files.
func (f *CampaignFile) Apply(cfg *Config, scenarios []string) (files []string, err error) {
	if f.For != nil {
		cfg.For = time.Duration(*f.For)
	}
	if f.Runs != nil && cfg.Runs == 0 {
		cfg.Runs = uint64(*f.Runs)
	}
	if f.Seed != nil && cfg.Drawn {
		cfg.Seed, cfg.Drawn = uint64(*f.Seed), false
	}
	if cfg.Workers == 0 && f.Workers != nil {
		cfg.Workers = int(*f.Workers)
	}
	if cfg.State == "" && f.State != nil {
		cfg.State = f.relative(string(*f.State))
	}
	if len(cfg.Targets) == 0 {
		for _, t := range f.Targets {
			cfg.Targets = append(cfg.Targets, string(t.Name))
		}
	}
	cfg.Weights = map[string]float64{}
	for _, t := range f.Targets {
		if t.Weight != nil && slices.Contains(cfg.Targets, string(t.Name)) {
			cfg.Weights[string(t.Name)] = float64(*t.Weight)
		}
	}
	cfg.Limits = cfg.Limits.or(f.Limits)
	if len(scenarios) > 0 {
		return scenarios, nil
	}
	for _, pattern := range f.Scenarios {
		matches, err := filepath.Glob(f.relative(string(pattern)))
		if err != nil || len(matches) == 0 {
			return nil, &FileError{f.path, 0, fmt.Sprintf("scenarios: no file is like %q: paths are seen from the campaign file", string(pattern))}
		}
		files = append(files, matches...)
	}
	return files, nil
}

// The values of a campaign file read themselves, so that errors have a place.

// Duration is a time as people write it; "0" is without end.
type Duration time.Duration

func (d *Duration) UnmarshalTOML(v any) error {
	s, ok := v.(string)
	if n, is := v.(int64); is && n == 0 {
		s, ok = "0s", true
	}
	t, err := time.ParseDuration(s)
	if s == "0" {
		t, err = 0, nil
	}
	if !ok || err != nil || t < 0 {
		return errors.New("expected a time such as \"8h\", \"90m\" or \"30s\"; \"0\" runs until it is stopped")
	}
	*d = Duration(t)
	return nil
}

type seedValue uint64

func (s *seedValue) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case int64:
		*s = seedValue(v)
		return nil
	case string: // TOML's numbers end at 2^63-1
		n, err := strconv.ParseUint(v, 0, 64)
		*s = seedValue(n)
		if err == nil {
			return nil
		}
	}
	return errors.New("expected a number, as a summary prints it; one above 9223372036854775807 in quotes")
}

type runsValue uint64

func (r *runsValue) UnmarshalTOML(v any) error {
	n, ok := v.(int64)
	if !ok || n < 1 {
		return errors.New("expected a number from 1: how often each target is to run before the campaign is over")
	}
	*r = runsValue(n)
	return nil
}

type countValue int

func (c *countValue) UnmarshalTOML(v any) error {
	n, ok := v.(int64)
	if !ok || n < 1 || n > 4096 {
		return errors.New("expected a number from 1 to 4096")
	}
	*c = countValue(n)
	return nil
}

type weightValue float64

func (w *weightValue) UnmarshalTOML(v any) error {
	n, ok := v.(float64)
	if i, is := v.(int64); is {
		n, ok = float64(i), true
	}
	if !ok || math.IsNaN(n) || n <= 0 || n > 100 {
		return errors.New("expected a number above 0, at most 100: a target with weight 2 has twice as many workers as one with 1")
	}
	*w = weightValue(n)
	return nil
}

type textValue string

func (t *textValue) UnmarshalTOML(v any) error {
	s, ok := v.(string)
	if !ok || s == "" {
		return errors.New("expected a text in quotes")
	}
	*t = textValue(s)
	return nil
}

type profileValue string

func (p *profileValue) UnmarshalTOML(v any) error {
	s, ok := v.(string)
	if !ok {
		return errors.New("expected the name of a kernel that the engine simulates, such as \"linux-6.1\"")
	}
	if _, err := engine.ParseProfile(s); err != nil {
		return err
	}
	*p = profileValue(s)
	return nil
}

type targetValue string

func (t *targetValue) UnmarshalTOML(v any) error {
	s, ok := v.(string)
	if !ok {
		return errors.New("expected a target in quotes, as --target takes it: engine, live, host, uml, qemu:ARCH, exec:COMMAND")
	}
	if _, _, err := stress.TargetName(s); err != nil {
		return err
	}
	*t = targetValue(s)
	return nil
}
