package command

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"example.com/signet/services/producer/internal/batch"
	"example.com/signet/services/producer/internal/terminal"
)

// How often progress is shown: a bar moves, lines pile up.
const (
	barEvery  = 200 * time.Millisecond
	lineEvery = 5 * time.Second
)

// progress shows how far a batch is: as a bar on a terminal, as a line now and then elsewhere.
type progress struct {
	out     *os.File
	bar     *progressbar.ProgressBar // nil: lines
	size    int64                    // bytes of the input; 0: nobody knows
	started time.Time
}

func newProgress(s Surroundings, size int64) *progress {
	p := &progress{out: s.Err, size: size, started: time.Now()}
	if !terminal.Redraws(s.Err, s.Environ) {
		return p
	}
	total := size
	if total == 0 {
		total = -1 // a spinner
	}
	p.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(s.Err),
		progressbar.OptionSetWidth(30),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(size > 0),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetSpinnerChangeInterval(0), // else a goroutine of its own draws, for ever and in a race with this one
	)
	return p
}

func (p *progress) every() time.Duration {
	if p.bar != nil {
		return barEvery
	}
	return lineEvery
}

func (p *progress) tick(t batch.Tally) {
	text := fmt.Sprintf("%d delivered, %d failed, %.0f/s", t.Delivered, t.Failed, p.rate(t))
	if p.bar == nil {
		if p.size > 0 {
			text += fmt.Sprintf(", %d %%", 100*t.Read/p.size)
		}
		_, _ = fmt.Fprintln(p.out, text)
		return
	}
	p.bar.Describe(text)
	if p.size > 0 {
		_ = p.bar.Set64(min(t.Read, p.size-1)) // at its end it would be finished, and take no more
	} else {
		_ = p.bar.Set64(int64(t.Sent()))
	}
}

// line prints a line, out of the bar's way.
func (p *progress) line(format string, args ...any) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}

func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// rate is how many have been finished in a second.
func (p *progress) rate(t batch.Tally) float64 {
	return float64(t.Sent()) / max(time.Since(p.started), time.Millisecond).Seconds()
}
