package campaign

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// campaignsFile of a state directory has one summary a line.
const campaignsFile = "campaigns.jsonl"

// DefaultState is where findings go when the user does not say.
func DefaultState() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tracehammer"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find a state directory: %w (set XDG_STATE_HOME or use --state)", err)
	}
	return filepath.Join(home, ".local", "state", "tracehammer"), nil
}

// recordSummary appends what a campaign did to the state directory, in one write so that a kill leaves whole lines. What a full
// disk cut off is taken back.
func recordSummary(state string, sum Summary) error {
	line, err := sum.encode()
	if err != nil {
		return err
	}
	path := filepath.Join(state, campaignsFile)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("record campaign: %w", err)
	}
	n, err := f.Write(line)
	if err != nil && n > 0 {
		if info, serr := f.Stat(); serr == nil {
			err = errors.Join(err, f.Truncate(info.Size()-int64(n)))
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("record campaign: %w", err)
	}
	return nil
}
