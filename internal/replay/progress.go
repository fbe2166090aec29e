package replay

import (
	"fmt"
	"io"
	"strings"
	"time"

	"probity/internal/clock"
)

// bar shows how far a replay is: on a terminal as a bar that stays in its line, elsewhere as a line
// now and then.
type bar struct {
	to       io.Writer // nil: shows nothing
	clk      clock.Clock
	terminal bool
	size     int64 // bytes of the file
	from     int64 // bytes that were done before
	start    time.Time
	shown    time.Time
}

const (
	barWidth  = 30
	barEvery  = 200 * time.Millisecond
	lineEvery = 10 * time.Second
)

func newBar(to io.Writer, clk clock.Clock, size, from int64) *bar {
	return &bar{to: to, clk: clk, terminal: isTerminal(to), size: size, from: from, start: clk.Now()}
}

// show tells that the file is done up to an offset, and how many rows this run has read.
func (b *bar) show(offset, rows int64) {
	if b.to == nil {
		return
	}
	now := b.clk.Now()
	every := lineEvery
	if b.terminal {
		every = barEvery
	}
	if now.Sub(b.shown) < every && offset < b.size {
		return
	}
	b.shown = now
	done := 1.0
	if b.size > 0 {
		done = min(1, float64(offset)/float64(b.size))
	}
	elapsed := now.Sub(b.start)
	text := fmt.Sprintf("%3.0f%%  %d rows", done*100, rows)
	if s := elapsed.Seconds(); s > 0 {
		text += fmt.Sprintf("  %.0f/s", float64(rows)/s)
	}
	if part := offset - b.from; part > 0 && offset < b.size {
		left := time.Duration(float64(elapsed) * float64(b.size-offset) / float64(part))
		text += fmt.Sprintf("  %s left", left.Round(time.Second))
	}
	if !b.terminal {
		fmt.Fprintln(b.to, text)
		return
	}
	filled := int(done * barWidth)
	fmt.Fprintf(b.to, "\r[%s%s] %s\x1b[K", strings.Repeat("=", filled), strings.Repeat(" ", barWidth-filled), text)
}

// end leaves the bar's line.
func (b *bar) end() {
	if b.to != nil && b.terminal {
		fmt.Fprintln(b.to)
	}
}
