package campaign

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"tracehammer/crashers"
	"tracehammer/crashers/filing"
	"tracehammer/stress/history"
	"tracehammer/stress/history/render"
)

// Forms in which findings are filed elsewhere.
const (
	AsMail     = "mail"
	AsMbox     = "mbox"
	AsMarkdown = "markdown"
	AsSARIF    = "sarif"
	AsJUnit    = "junit"
)

// File writes findings of a state directory in a form for other people or programs; of none named, all. What cannot be read does not
// hide the others. A mail or an issue is about one, which need not be named if there are no others.
// config is of the kernel; "" has it looked for.
func File(state string, ids []string, as, version, config string, m filing.Mail, w io.Writer) error {
	store, err := crashers.OpenReader(state)
	if err != nil {
		return err
	}
	var bad error
	if len(ids) == 0 {
		metas, err := store.List()
		bad = err
		for _, m := range metas {
			ids = append(ids, m.ID)
		}
	}
	one := as != AsSARIF && as != AsJUnit
	if one && len(ids) == 0 {
		return errors.Join(bad, fmt.Errorf("file: no finding is filed in %s", history.Printable(state)))
	}
	if one && len(ids) != 1 {
		return errors.Join(bad, fmt.Errorf("file: a %s is about one finding, here are %d: name it (stressd list --state %s)", as, len(ids), history.Printable(crashers.Quote(state))))
	}
	var items []*filing.Item
	for _, id := range ids {
		it, err := filed(store, id)
		if err != nil {
			bad = errors.Join(bad, err)
			continue
		}
		items = append(items, it)
	}
	if one && bad != nil {
		return bad
	}
	if one {
		if items[0].Config = config; config == "" {
			items[0].Config = configOf(&items[0].Meta)
		}
	}
	var b bytes.Buffer // a form that cannot be written whole is not begun
	switch as {
	case AsMail, AsMbox:
		m.Mbox = as == AsMbox
		err = m.Write(&b, items[0])
	case AsMarkdown:
		err = filing.WriteIssue(&b, items[0])
	case AsSARIF:
		err = filing.WriteSARIF(&b, version, items)
	case AsJUnit:
		err = filing.WriteJUnit(&b, items)
	default:
		err = fmt.Errorf("file: unknown form %q", as)
	}
	if err != nil {
		return errors.Join(bad, err)
	}
	_, err = w.Write(b.Bytes())
	return errors.Join(bad, err)
}

// filed is a finding with what a filing says besides.
func filed(store *crashers.Reader, id string) (*filing.Item, error) {
	c, p, err := loadFrom(store, id)
	if err != nil {
		return nil, err
	}
	it := &filing.Item{Crasher: c, Dir: store.Dir(c.ID)}
	if c.History == nil {
		return it, nil
	}
	var lanes strings.Builder
	if err := render.WriteLanes(&lanes, p, c.History); err != nil {
		return nil, fmt.Errorf("crasher %s: %w", c.ID, err)
	}
	it.Lanes = lanes.String()
	return it, nil
}
