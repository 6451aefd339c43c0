package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
	"example.com/signet/services/producer/internal/batch"
	"example.com/signet/services/producer/internal/terminal"
)

const (
	maxTold       = 20              // failures that are told of one by one
	maxConcurrent = 10_000          // beyond it a machine runs out of ports
	stopGrace     = 2 * time.Second // for what is on its way after Ctrl-C
	stopIdle      = time.Second     // for a pipe to say more after it
)

// batchFlags are how a batch is to be sent.
type batchFlags struct {
	sendingFlags

	concurrent int
	rate       float64
	failed     string
	json       bool
}

func newBatch(s Surroundings) *cobra.Command {
	var f batchFlags
	c := &cobra.Command{
		Use:   "batch FILE",
		Short: "Send many webhooks from a file or standard input",
		Long: `Send every entry of FILE (- is standard input) as a signed webhook, several at once. FILE is a JSON array, an
object {"webhooks": […]}, NDJSON (an entry on each line) or YAML, and may be of any length. An entry is

  {"url": "…", "payload": {…}, "secret": "…", "scheme": "…", "headers": {"Name": "value"}, "id": "…"}

of which url and payload are required. A payload is sent byte for byte as it stands there; one that is a string is sent
as its text. Entries without a secret are signed with the one that is given here, if any.

--failed FILE takes the entries that were not delivered, in the same format and under the ids they were sent with, so
that the next run sends only those and receivers know them again. Ctrl-C begins no more of them; they count as not sent.

Exit status: 0 all delivered, 1 not all, 2 called wrongly.`,
		Example: `  producer batch webhooks.json --secret mysecret --concurrent 20 --failed failed.json
  producer batch failed.json --secret mysecret --failed failed.json     # once more, those that failed
  zcat events.ndjson.gz | producer batch - --rate 100`,
		Args: one("FILE"),
		RunE: func(c *cobra.Command, args []string) error { return sendBatch(c.Context(), s, args[0], f) },
	}
	flags := c.Flags()
	f.add(c)
	flags.IntVar(&f.concurrent, "concurrent", webhook.DefaultConcurrency, "how many are on their way at once")
	flags.Float64Var(&f.rate, "rate", 0, "begin at most so many a second; 0 is no limit (retries come on top)")
	flags.StringVar(&f.failed, "failed", "", "write the entries that were not delivered to this file; when there are none it is removed")
	flags.BoolVar(&f.json, "json", false, "print the summary as JSON")
	return c
}

func (f *batchFlags) check() error {
	if f.concurrent < 1 || f.concurrent > maxConcurrent {
		return usage(fmt.Sprintf("--concurrent must be from 1 to %d", maxConcurrent))
	}
	if !(f.rate >= 0) || math.IsInf(f.rate, 0) {
		return usage("--rate must not be negative")
	}
	return f.sendingFlags.check()
}

// input opens what is to be sent, and finds its size; 0: nobody knows.
func input(s Surroundings, path string) (in io.Reader, size int64, done func(), err error) {
	if path == "-" {
		return s.In, 0, func() {}, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, nil, service.UsageError{Err: err}
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory", path)
	}
	if err != nil {
		_ = file.Close()
		return nil, 0, nil, service.UsageError{Err: err}
	}
	return file, info.Size(), func() { _ = file.Close() }, nil
}

func sendBatch(ctx context.Context, s Surroundings, path string, f batchFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	in, size, closeInput, err := input(s, path)
	if err != nil {
		return err
	}
	defer closeInput()
	whole, err := f.keys(s)
	if err != nil {
		return err
	}
	if len(whole) > 0 { // where there is none, each entry may have its own
		if _, err := whole.signing(f.scheme, schemeFlag); err != nil {
			return err
		}
	} else if _, err := signature.Describe(f.scheme); err != nil && f.scheme != "" {
		return service.UsageError{Err: fmt.Errorf("%s: %w", schemeFlag, err)}
	}
	client, done, err := f.client(s, f.concurrent, webhook.WithHistory(0))
	if err != nil {
		return service.UsageError{Err: err}
	}
	defer done()
	reader, err := batch.NewReader(in)
	if err != nil {
		return service.UsageError{Err: fmt.Errorf("%s: %w", path, err)}
	}
	b := &batchRun{f: f, path: path, s: s, show: newProgress(s, size)}
	if f.failed != "" {
		b.failures, err = batch.CreateFailures(f.failed, reader.Format())
		if err != nil {
			return service.UsageError{Err: fmt.Errorf("--failed: %w", err)}
		}
	}
	return b.run(ctx, reader, client, &signers{whole: whole, scheme: f.scheme})
}

// batchRun is a batch on its way.
type batchRun struct {
	f        batchFlags
	path     string
	s        Surroundings
	show     *progress
	failures *batch.Failures // nil: they are not wanted
	told     int
	kept     string // the file that has the failures
}

func (b *batchRun) run(ctx context.Context, reader *batch.Reader, client batch.Sender, keys *signers) error {
	tally, err := batch.Run(ctx, reader, batch.Config{
		Sender: client, Signers: keys, Concurrent: b.f.concurrent, Rate: b.f.rate,
		NewID: func() string { return relay.NewMessageID(time.Now()) },
		Tell:  b.tell, Tick: b.show.tick, Every: b.show.every(),
		Grace: stopGrace, Idle: stopIdle,
	})
	b.show.done()
	if n := keys.unsigned.Load(); n > 0 {
		b.show.line("note: %d unsigned, as there is no secret in the entry, --secret, --secret-file or WEBHOOK_SECRET", n)
	}
	if b.failures != nil {
		var closeErr error
		b.kept, closeErr = b.failures.Close(err == nil && tally.Unread == nil && !empty(tally))
		if closeErr != nil {
			err = errors.Join(err, fmt.Errorf("--failed: %w", closeErr))
		}
	}
	if empty(tally) && tally.Unread == nil {
		b.show.line("note: %s has no entries", b.path)
	}
	if tally.Unread != nil && tally.Sent()+tally.Unsent == 0 && !errors.Is(tally.Unread, batch.ErrStopped) {
		return service.UsageError{Err: fmt.Errorf("%s: %w", b.path, tally.Unread)}
	}
	err = errors.Join(err, b.summary(tally))
	if err == nil && (tally.Failed+tally.Unsent > 0 || tally.Unread != nil) {
		return notDelivered
	}
	return err
}

// empty reports whether there was nothing to send, as when what should have written it failed.
func empty(t batch.Tally) bool { return t.Sent()+t.Unsent == 0 }

// tell keeps, and tells of, what was not delivered.
func (b *batchRun) tell(o batch.Outcome) error {
	if o.Err == nil {
		return nil
	}
	if !o.Unsent {
		if b.told++; b.told <= maxTold {
			b.show.line("%s, %s: %v", b.path, o.Entry.Label(), o.Err)
		} else if b.told == maxTold+1 {
			b.show.line("further failures are only counted")
		}
	}
	if b.failures == nil {
		return nil
	}
	if err := b.failures.Add(o.Entry); err != nil {
		return fmt.Errorf("--failed: %w", err)
	}
	return nil
}

// batchResult is the summary as --json prints it.
type batchResult struct {
	Delivered  int     `json:"delivered"`
	Failed     int     `json:"failed"`
	Unsent     int     `json:"not_sent"`
	Unread     string  `json:"not_read,omitempty"` // why the input was not read to its end
	DurationMS float64 `json:"duration_ms"`
	Rate       float64 `json:"rate"`           // finished in a second
	Kept       string  `json:"kept,omitempty"` // the file that has the failures
}

func (b *batchRun) summary(t batch.Tally) error {
	took := time.Since(b.show.started)
	if b.f.json {
		r := batchResult{Delivered: t.Delivered, Failed: t.Failed, Unsent: t.Unsent, DurationMS: milliseconds(took), Rate: b.show.rate(t), Kept: b.kept}
		if t.Unread != nil {
			r.Unread = t.Unread.Error()
		}
		return printJSON(b.s.Out, r)
	}
	palette := terminal.For(b.s.Out, b.s.Environ)
	text := fmt.Sprintf("delivered  %d\nfailed     ", t.Delivered)
	if t.Failed > 0 {
		text += palette.Paint(terminal.Red, strconv.Itoa(t.Failed)) + "\n"
	} else {
		text += "0\n"
	}
	if t.Unsent > 0 {
		text += "not sent   " + palette.Paint(terminal.Yellow, strconv.Itoa(t.Unsent)) + ", from " + t.From + " on\n"
	}
	if t.Unread != nil {
		text += fmt.Sprintf("not read   the rest of %s: %v\n", b.path, t.Unread)
	}
	text += fmt.Sprintf("time       %s (%.0f/s)\n", took.Round(time.Millisecond), b.show.rate(t))
	if b.kept != "" {
		text += fmt.Sprintf("kept in    %s\n", b.kept)
	}
	_, err := io.WriteString(b.s.Out, text)
	return err
}
