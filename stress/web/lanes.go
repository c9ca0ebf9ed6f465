package web

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/history"
	"tracehammer/stress/history/render"
)

// Sizes of the swim-lane picture, in user units: pixels where it is not scaled.
const (
	charWidth  = 7.25 // of the monospaced font at its size of 12; the fonts of all systems are narrower or as wide
	lineHeight = 15.0
	rowPad     = 6.0
	ticketCol  = 46.0
	railAt     = 12.0 // of a lane's rail, from the lane's left edge
	boxAt      = 22.0 // where boxes begin, likewise
	laneGap    = 12.0
	laneLeast  = 150.0
	laneMost   = 330.0
	lanesWidth = 1180.0 // what all lanes share, as long as each has its least
	maxMoments = 400    // that are drawn
	maxWhy     = 9      // lines
	noteChars  = 120    // of a line across all lanes
)

// picture is a history as it is drawn: a lane for each task from left to right, a row for each moment from above, in ticket order.
type picture struct {
	p     *engine.Program
	h     *history.History
	at    *crashers.Place
	exact []stopped // when tasks were in ptrace stops, where that is known; else it is concluded from what waits returned
	// breaks says how the engine broke after so many moments; "" if it did not.
	breaks string
	after  int
	why    string // why nothing moves any more, in lines

	lanes []lane
	col   map[engine.ActorID]int
	rows  []row
	end   int // the row that says where everybody is at the end
	boxes []box
	marks []handlerMark
	bars  []bar
	since []int // by lane: the row since which a task is known to be stopped, -1: it is not
	wrong int   // the row that is wrong, -1 for none
	left  int   // moments that are left out at the beginning
}

// stopped is a stretch of a run in which a task is in a ptrace stop. From and To count moments of the history before it begins and
// before it ends.
type stopped struct {
	actor    engine.ActorID
	from, to int
}

// lane is a task's column.
type lane struct {
	actor engine.ActorID
	name  string
	x, w  float64
	born  int // row in which it was made, -1: before the first
	died  int // row in which it is known to have died, -1: it has not
}

type row struct {
	label  string
	y, h   float64
	lines  int
	arrow  *arrow
	note   []string // lines across all lanes, in place of moments
	behind bool     // it comes behind what is wrong
}

// box is a call, from the row in which it begins to that in which it returns; or in which one that never does is left.
type box struct {
	lane     int
	from, to int
	text     string
	result   string // "" if it did not return, or with the call in one row
	open     bool   // it did not return
	exits    bool   // by design
	wrong    bool
}

type handlerMark struct {
	lane, row int
	text      string
	wrong     bool
}

// bar is a stretch of a rail on which the task is known to be stopped.
type bar struct {
	lane     int
	from, to int // rows
	label    string
}

// An arrow goes from who acts to whom it concerns, in one row.
type arrow struct {
	from, to int // lanes
	kind     arrowKind
	label    string // beside the end that is not the row's own
}

type arrowKind uint8

const (
	signalArrow  arrowKind = iota // a signal is sent
	requestArrow                  // a tracer's request
	reportArrow                   // a wait returns what became of somebody
)

var arrowClasses = [...]string{"signal", "request", "report"}

// drawLanes draws a history of p. at is what is wrong with it, nil if that is no single step, and why it is, in words; of a run
// of the engine more is known.
func drawLanes(p *engine.Program, h *history.History, at *crashers.Place, why string, run *replayed) template.HTML {
	d := &picture{p: p, h: h, at: at, why: why, col: map[engine.ActorID]int{}, wrong: -1}
	if run != nil {
		d.exact, d.breaks, d.after = run.stops, run.broken, run.shows
	}
	for i, a := range h.Actors {
		if a.Tid != 0 || len(a.Entries) > 0 {
			d.col[engine.ActorID(i)] = len(d.lanes)
			d.lanes = append(d.lanes, lane{actor: engine.ActorID(i), name: render.ActorName(p, engine.ActorID(i)), born: -1, died: -1})
		}
	}
	if len(d.lanes) == 0 {
		return ""
	}
	d.fill()
	d.place()
	return d.draw()
}

// fill makes rows of the moments.
func (d *picture) fill() {
	moments := render.Moments(d.p, d.h)
	first := 0
	if len(moments) > maxMoments {
		first = len(moments) - maxMoments
		if d.at != nil { // what is wrong is in the picture, with what came before it
			first = min(first, max(0, slices.IndexFunc(moments, d.isWrong)-maxMoments*3/4))
		}
		moments = moments[:min(len(moments), first+maxMoments)]
		if d.left = first; first > 0 {
			d.rows = append(d.rows, row{note: []string{fmt.Sprintf("%d earlier moments are left out", first)}, lines: 1})
		}
	}
	open := make([]int, len(d.lanes)) // box of the call that a lane is in, -1 for none
	d.since = make([]int, len(d.lanes))
	for i := range open {
		open[i], d.since[i] = -1, -1
	}
	rowOf := make([]int, len(moments)+1)
	for i := first; i < len(moments); i++ {
		d.broken(i)
		m := moments[i]
		c := d.col[m.Actor]
		e := &d.h.Actors[m.Actor].Entries[m.Entry]
		at := len(d.rows)
		rowOf[i] = at
		r := row{label: fmt.Sprint(m.Ticket), behind: d.wrong >= 0}
		wrong := d.isWrong(m)
		switch m.Kind {
		case engine.EvBegin:
			b := box{lane: c, from: at, to: -1, text: m.Text, open: true}
			in := instrOf(d.p, m.Actor, e.Instr)
			b.exits = in != nil && (in.Call == engine.CallExit || in.Call == engine.CallExitGroup)
			r.arrow = d.begins(m.Actor, in)
			if next := i + 1; next < len(moments) && moments[next].Kind == engine.EvEnd && moments[next].Actor == m.Actor {
				b.to, b.open = at, false
				b.text += " = " + moments[next].Text
				wrong = wrong || d.isWrong(moments[next])
				if a := d.reports(m.Actor, in, e, at); a != nil {
					r.arrow = a
				}
				d.restarts(in, e, at)
				i = next
				rowOf[i] = at
			} else {
				if was := open[c]; was >= 0 { // no task is in two calls, but a file may say so
					d.boxes[was].to = at
				}
				open[c] = len(d.boxes)
				d.restarts(in, e, at)
			}
			if in != nil && in.Call == engine.CallClone {
				d.born(in, at)
			}
			if b.exits && !e.Done {
				b.to, open[c] = at, -1
				d.lanes[c].died = at
			}
			b.wrong = wrong
			d.boxes = append(d.boxes, b)
		case engine.EvEnd:
			in := instrOf(d.p, m.Actor, e.Instr)
			if open[c] >= 0 {
				b := &d.boxes[open[c]]
				b.to, b.open, b.result, b.wrong = at, false, "= "+m.Text, b.wrong || wrong
				open[c] = -1
			} else { // its beginning is left out
				d.boxes = append(d.boxes, box{lane: c, from: at, to: at, text: "= " + m.Text, wrong: wrong})
			}
			r.arrow = d.reports(m.Actor, in, e, at)
		case engine.EvHandler:
			d.marks = append(d.marks, handlerMark{c, at, m.Text, wrong})
		default:
			panic(fmt.Sprintf("lanes: moment of kind %v", m.Kind))
		}
		d.rows = append(d.rows, r)
		if wrong {
			d.wrong = at
			d.note(m)
		}
	}
	d.broken(len(moments))
	last := len(d.rows)
	rowOf[len(moments)] = last
	d.end = last
	d.rows = append(d.rows, row{label: "end", behind: d.wrong >= 0})
	for c, b := range open {
		if b >= 0 {
			d.boxes[b].to = last
		}
		d.goesOn(c, last)
	}
	if d.exact != nil {
		d.bars = d.bars[:0]
		for _, s := range d.exact {
			if c, ok := d.col[s.actor]; ok && s.to >= first && s.from < len(moments) {
				d.bars = append(d.bars, bar{c, rowOf[max(s.from, first)], rowOf[min(s.to, len(moments))], "in a ptrace stop"})
			}
		}
	}
	if d.at != nil && d.at.Event == crashers.Waiting {
		if c, ok := d.col[d.at.Actor]; ok && open[c] >= 0 {
			d.boxes[open[c]].wrong, d.wrong = true, last
			lines := []string{"▲ Nothing moves any more:"}
			for _, l := range strings.Split(d.why, "\n") {
				for _, l := range wrap(l, 100) {
					lines = append(lines, "  "+l)
				}
			}
			lines = lines[:min(len(lines), maxWhy)]
			d.rows = append(d.rows, row{note: lines, lines: len(lines)})
		}
	}
	for c := range d.lanes { // who stops on its way out is not dead yet
		for _, b := range d.bars {
			if l := &d.lanes[c]; b.lane == c && l.died >= 0 && b.to > l.died && d.exact != nil {
				l.died = b.to
				if b.to == last {
					l.died = -1
				}
			}
		}
	}
}

// broken says where the engine broke, if that is before moment i.
func (d *picture) broken(i int) {
	if d.breaks == "" || d.wrong >= 0 || i < d.after {
		return
	}
	d.wrong = len(d.rows) - 1 // the note stands below it
	lines := append([]string{"▲ Here it shows:"}, wrap(history.Printable(d.breaks), 100)...)
	d.rows = append(d.rows, row{note: lines, lines: len(lines)})
}

// isWrong says whether a moment is the one that is wrong.
func (d *picture) isWrong(m render.Moment) bool {
	if d.at == nil || m.Actor != d.at.Actor || m.Entry != d.at.Entry {
		return false
	}
	switch d.at.Event {
	case crashers.Began:
		return m.Kind == engine.EvBegin
	case crashers.Ended:
		return m.Kind == engine.EvEnd
	case crashers.Ran:
		return m.Kind == engine.EvHandler
	case crashers.Waiting:
	}
	return false
}

// note says below what is wrong what the model allows there.
func (d *picture) note(m render.Moment) {
	name := render.ActorName(d.p, m.Actor)
	lines := []string{"▲ Not admitted: no execution of the model goes on like this."}
	switch {
	case len(d.at.Allowed) == 0:
		lines = append(lines, "  The model lets nothing of "+name+" happen here.")
	case len(d.at.Allowed) == 1:
		lines = append(lines, "  It allows only  "+name+": "+d.at.Allowed[0])
	default:
		lines = append(lines, "  It allows only one of:")
		for _, s := range d.at.Allowed {
			lines = append(lines, "    "+name+": "+s)
		}
	}
	lines = lines[:min(len(lines), 2*maxWhy)]
	for i := range lines {
		lines[i] = shorten(lines[i], noteChars)
	}
	d.rows = append(d.rows, row{note: lines, lines: len(lines)})
}

func instrOf(p *engine.Program, a engine.ActorID, instr int32) *engine.Instr {
	if a < 0 || int(a) >= len(p.Actors) || instr < 0 || int(instr) >= len(p.Actors[a].Code) {
		return nil
	}
	return &p.Actors[a].Code[instr]
}

// concerns is the lane of the task that an argument names, -1 if it names none.
func (d *picture) concerns(a engine.Arg) int {
	if a.Kind == engine.ArgTid || a.Kind == engine.ArgNegTid {
		if c, ok := d.col[engine.ActorID(a.N)]; ok {
			return c
		}
	}
	return -1
}

// begins is the arrow of a call that acts on another task.
func (d *picture) begins(by engine.ActorID, in *engine.Instr) *arrow {
	if in == nil {
		return nil
	}
	var who, sig engine.Arg
	switch in.Call {
	case engine.CallKill, engine.CallTkill, engine.CallRtSigqueueinfo:
		who, sig = in.Args[0], in.Args[1]
	case engine.CallTgkill, engine.CallRtTgsigqueueinfo:
		who, sig = in.Args[1], in.Args[2]
	case engine.CallPtrace:
		if to := d.concerns(in.Args[1]); to >= 0 && to != d.col[by] {
			label := strings.TrimPrefix(ptrace.Request(in.Args[0].N).String(), "PTRACE_")
			return &arrow{d.col[by], to, requestArrow, label}
		}
		return nil
	default:
		return nil
	}
	to := d.concerns(who)
	if to < 0 || to == d.col[by] {
		return nil
	}
	return &arrow{d.col[by], to, signalArrow, history.Printable(ptrace.Signals.Format(sig.N))}
}

// reports is the arrow of a wait that returned; what it says of the other task is noted.
func (d *picture) reports(by engine.ActorID, in *engine.Instr, e *history.Entry, at int) *arrow {
	if in == nil || !e.Done {
		return nil
	}
	var tid int64
	label, dead, stop := "", false, false
	switch {
	case in.Call == engine.CallWait4 && e.Res.Ret > 0:
		s := ptrace.Status(e.Res.Out[0])
		tid, label, dead, stop = e.Res.Ret, s.String(), s.IsExited() || s.IsKilled(), s.IsStopped()
	case in.Call == engine.CallWaitid && e.Res.Ret == 0 && e.Res.Out[0] != 0:
		tid, label = e.Res.Out[0], ptrace.SigCodes.Format(e.Res.Out[1])
		switch e.Res.Out[1] {
		case engine.CLD_EXITED, engine.CLD_KILLED, engine.CLD_DUMPED:
			label, dead = "dead", true
		case engine.CLD_STOPPED, engine.CLD_TRAPPED:
			label, stop = "stopped", true
		case engine.CLD_CONTINUED:
			label = "continued"
		}
	default:
		return nil
	}
	c, ok := d.col[d.h.ActorOf(tid)]
	if !ok || c == d.col[by] {
		return nil
	}
	switch {
	case dead:
		d.goesOn(c, at)
		if d.lanes[c].died < 0 {
			d.lanes[c].died = at
		}
	case !stop:
		d.goesOn(c, at)
	case d.since[c] < 0:
		d.since[c] = at
	}
	return &arrow{c, d.col[by], reportArrow, history.Printable(label)}
}

// restarts ends the stop of a task whose tracer lets it go on.
func (d *picture) restarts(in *engine.Instr, e *history.Entry, at int) {
	if in == nil || in.Call != engine.CallPtrace || e.Done && e.Res.Ret < 0 {
		return
	}
	switch ptrace.Request(in.Args[0].N) {
	case ptrace.Cont, ptrace.Syscall, ptrace.Singlestep, ptrace.Singleblock, ptrace.Sysemu, ptrace.SysemuSinglestep, ptrace.Detach, ptrace.Kill:
		if c := d.concerns(in.Args[1]); c >= 0 {
			d.goesOn(c, at)
		}
	}
}

// goesOn ends the stop that a lane's task is known to be in, if any.
func (d *picture) goesOn(c, at int) {
	if d.since[c] >= 0 {
		d.bars = append(d.bars, bar{c, d.since[c], at, "known to be stopped"})
		d.since[c] = -1
	}
}

// born notes who is made by a call.
func (d *picture) born(in *engine.Instr, at int) {
	if c, ok := d.col[engine.ActorID(in.Args[1].N)]; ok && d.lanes[c].born < 0 {
		d.lanes[c].born = at
	}
}
