package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress/history"
)

// WriteTable writes h as a table, one row an entry in the order in which calls began.
func WriteTable(w io.Writer, p *engine.Program, h *history.History) error {
	var b bytes.Buffer
	writeHead(&b, h)
	rows := [][]string{{"begin", "end", "actor", "call", "result"}}
	for _, ev := range events(h) {
		e := h.Actors[ev.actor].Entries[ev.index]
		row := []string{fmt.Sprint(e.Begin), "-", actorName(p, ev.actor), "", ""}
		switch {
		case ev.kind == evEnd:
			continue
		case ev.kind == evHandler:
			row[3] = handlerText(p, h, e)
		case e.Done:
			row[1], row[3], row[4] = fmt.Sprint(e.End), corpus.FormatCall(p, ev.actor, e.Instr), resultText(p, h, ev.actor, e)
		default:
			row[3], row[4] = corpus.FormatCall(p, ev.actor, e.Instr), "(no return)"
		}
		rows = append(rows, row)
	}
	writeColumns(&b, rows)
	for id := range h.Actors {
		fmt.Fprintf(&b, "%s: %s\n", history.Printable(actorName(p, engine.ActorID(id))), history.Printable(endText(p, h, engine.ActorID(id))))
	}
	writeTail(&b, p, h)
	return flush(w, &b, "table")
}

// writeHead says which run this was.
func writeHead(b *bytes.Buffer, h *history.History) {
	fmt.Fprintf(b, "run %d on %s", h.Run, history.Printable(h.Target))
	for _, s := range []string{h.Kernel, h.Arch} {
		if s != "" {
			fmt.Fprintf(b, ", %s", history.Printable(s))
		}
	}
	fmt.Fprintf(b, ": %s", h.Outcome)
	if h.Elapsed != 0 {
		fmt.Fprintf(b, " after %v", h.Elapsed.Round(time.Microsecond))
	}
	if h.Trunc {
		b.WriteString(", a log overflowed")
	}
	b.WriteByte('\n')
	for i, d := range h.Delays {
		if i == 0 {
			b.WriteString("delays:")
		}
		fmt.Fprintf(b, " %v", time.Duration(d))
	}
	if len(h.Delays) > 0 {
		b.WriteByte('\n')
	}
}

// writeTail adds what is no actor's entry: the watcher's snapshot, the kernel log, the taint.
func writeTail(b *bytes.Buffer, p *engine.Program, h *history.History) {
	if h.Hang != nil {
		b.WriteString("when nothing moved any more:\n")
		for _, t := range h.Hang.Threads {
			fmt.Fprintf(b, "  %s: tid %d", history.Printable(actorName(p, t.Actor)), t.Tid)
			if t.State != 0 {
				fmt.Fprintf(b, ", state %c", t.State)
			}
			if t.Wchan != "" {
				fmt.Fprintf(b, ", in %s", history.Printable(t.Wchan))
			}
			if t.TracerPid != 0 {
				fmt.Fprintf(b, ", traced by %s", history.Printable(tidName(p, h, int64(t.TracerPid))))
			}
			if t.Syscall != "" {
				fmt.Fprintf(b, ", syscall %s", history.Printable(t.Syscall))
			}
			b.WriteByte('\n')
			if len(t.Stack) > 0 {
				fmt.Fprintf(b, "    %s\n", history.Printable(strings.Join(t.Stack, " < ")))
			}
		}
	}
	if h.Taint != 0 {
		fmt.Fprintf(b, "kernel taint: %#x\n", h.Taint)
	}
	for _, l := range h.Console {
		fmt.Fprintf(b, "console: %s\n", history.Printable(l))
	}
}

// writeColumns pads rows to columns, without trailing blanks.
func writeColumns(b *bytes.Buffer, rows [][]string) {
	var width []int
	for _, row := range rows {
		for i := range row {
			row[i] = history.Printable(row[i])
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, row := range rows {
		var l strings.Builder
		for i, cell := range row {
			l.WriteString(pad(cell, width[i]+2))
		}
		b.WriteString(strings.TrimRight(l.String(), " "))
		b.WriteByte('\n')
	}
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

func flush(w io.Writer, b *bytes.Buffer, what string) error {
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}
