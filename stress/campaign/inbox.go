package campaign

import "sync"

// inbox has scenarios for whichever worker of a team comes first.
type inbox struct {
	mu  sync.Mutex // a leaf
	all []seedScenario
}

// maxInbox bounds it; the oldest go first.
const maxInbox = 256

func (b *inbox) put(s seedScenario) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, s)
	if len(b.all) > maxInbox {
		b.all = b.all[1:]
	}
}

func (b *inbox) take() (all []seedScenario) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all, b.all = b.all, nil
	return all
}
