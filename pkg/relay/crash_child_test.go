package relay_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing/fstest"
	"time"

	"example.com/signet/pkg/relay"
)

// children are what this test binary does when a test starts it as a process of its own, by RELAY_CHILD.
var children = map[string]func() error{"crash": crashChild, "worker": workerChild}

// Appenders of one child, and how many lives of the delivery a schedule gives: kills use up attempts too.
const (
	crashAppenders = 16
	crashAttempts  = 40
	crashRush      = 200             // appends of each before they come more slowly: whoever looks at the wreck has to deliver them all
	crashLease     = 2 * time.Second // longer than a group of effects takes, as a lease has to be
)

// trail is where effects with an ordering key leave the order in which they took place.
var trail = relay.Migrations{Name: "trail", Files: fstest.MapFS{"0001_trail.sql": {Data: []byte(
	`CREATE TABLE trail (key TEXT NOT NULL, n INTEGER NOT NULL, message_id TEXT NOT NULL, PRIMARY KEY (key, n)) WITHOUT ROWID`)}}}

const leaveTrail = `INSERT INTO trail (key, n, message_id) SELECT ?, coalesce(max(n), 0) + 1, ? FROM trail WHERE key = ?`

// crashConfig is the store that the children share, one after another, with the test that looks at what they left.
func crashConfig(url string) relay.Config {
	return relay.Config{
		URL: url, Migrations: []relay.Migrations{ledger, trail}, Schedule: make(relay.Schedule, crashAttempts),
		EffectTimeout: 400 * time.Millisecond, AppendWait: 30 * time.Second, Lease: crashLease,
	}
}

// crashRunners are both kinds of targets. Each call of the remote one is told of before it answers, and now and then
// its first answer is that it failed.
func crashRunners(called func(deliveryID string)) runners {
	return runners{
		"effect": relay.Effect(func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
			if _, err := tx.Exec(ctx, increment, job.Message.ID); err != nil {
				return relay.Retry(err)
			}
			if key := job.Message.OrderingKey; key != "" {
				if _, err := tx.Exec(ctx, leaveTrail, key, job.Message.ID, key); err != nil {
					return relay.Retry(err)
				}
			}
			return relay.Delivered("")
		}),
		"remote": relay.Remote(func(_ context.Context, job relay.Job) relay.Outcome {
			called(job.Delivery.ID)
			if len(job.Message.Body)%16 == 0 && job.Delivery.Attempts == 1 {
				return relay.Retry(errDown)
			}
			return relay.Delivered("")
		}),
	}
}

// crashDraft is the i-th message of an appender. Every fourth one has a key that its neighbour uses too, and an
// ordering key; bodies differ in their length.
func crashDraft(life string, appender, i int) relay.Draft {
	d := relay.Draft{Source: life, Type: "t", DedupeKey: fmt.Sprintf("%d-%d", appender, i), Targets: []string{"effect", "remote"}}
	if i%4 == 0 {
		d.DedupeKey = fmt.Sprintf("shared-%d-%d", appender/2, i)
		d.OrderingKey = fmt.Sprintf("%s-%d", life, i%3)
	}
	d.Body = fmt.Appendf(nil, "%s %0*d", d.DedupeKey, 1+i%300, i)
	return d
}

// say writes one line, in one piece: what was said stays said, however the process ends.
func say(words ...any) { _, _ = fmt.Fprintln(os.Stdout, words...) }

// crashChild appends and delivers until it is killed: from outside, or by itself at the point it is given.
func crashChild() error {
	cfg, life := crashConfig(os.Getenv("RELAY_CHILD_URL")), os.Getenv("RELAY_CHILD_LIFE")
	if point := os.Getenv("RELAY_CHILD_POINT"); point != "" {
		visit, err := strconv.ParseInt(os.Getenv("RELAY_CHILD_VISIT"), 10, 64)
		if err != nil {
			return err
		}
		cfg = relay.WithPoints(cfg, dieAt(point, visit))
	}
	if engine(os.Getenv("RELAY_CHILD_ENGINE")).journals() {
		relay.Journaled(&cfg)
	}
	say("opening")
	s, err := relay.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	for _, id := range []string{"effect", "remote"} {
		if err := s.PutTarget(context.Background(), relay.Target{ID: id}); err != nil {
			return err
		}
	}
	d := relay.NewDispatcher(s, relay.DispatcherConfig{
		Resolver: crashRunners(func(id string) { say("called", id) }), Poll: 50 * time.Millisecond,
		Log: func(what string, err error) { fmt.Fprintln(os.Stderr, what, err) },
	})
	d.Start()
	failed := make(chan error)
	for w := range crashAppenders {
		go func() {
			for i := 0; ; i++ {
				if err := crashAppend(s, crashDraft(life, w, i)); err != nil {
					failed <- err
				}
				if i > crashRush {
					<-time.After(20 * time.Millisecond)
				}
			}
		}()
	}
	return <-failed
}

// crashAppend appends a message, and some of them twice.
func crashAppend(s *relay.Store, d relay.Draft) error {
	say("begin", d.DedupeKey)
	got, err := s.Append(context.Background(), d)
	if err != nil {
		return err
	}
	say("done", d.DedupeKey, got[0].ID)
	if len(d.Body)%8 != 0 {
		return nil
	}
	again, err := s.Append(context.Background(), d)
	if err == nil && (!again[0].Duplicate || again[0].ID != got[0].ID) {
		err = fmt.Errorf("the second append of %s answered %+v, the first one %+v", d.DedupeKey, again[0], got[0])
	}
	return err
}

// dieAt kills the process when it comes to a point for the n-th time. Whoever comes there meanwhile gets no further.
func dieAt(point string, n int64) func(string) {
	var visits atomic.Int64
	return func(p string) {
		if p != point || visits.Add(1) < n {
			return
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			panic(err)
		}
		select {}
	}
}

var errNoRole = errors.New("RELAY_CHILD names no role")

// runChild is the main function of a child.
func runChild(role string) {
	run, ok := children[role]
	if !ok {
		run = func() error { return errNoRole }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
