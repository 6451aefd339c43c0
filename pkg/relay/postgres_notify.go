package relay

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// What is told to other processes, and how patiently. All of this only saves waiting: what goes lost is found by polling.
const (
	maxNotification = 7900                   // bytes; the server takes less than 8000
	tellPause       = 100 * time.Millisecond // between two notifications of one process
	tellTime        = 5 * time.Second        // for one of them
	proofTime       = 5 * time.Second        // for the first one to come back to us
	minListenPause  = time.Second            // before the next connection; it doubles each time
	maxListenPause  = time.Minute
	silentPause     = 5 * time.Minute // after a LISTEN that answered and then brought nothing
)

// errSilent: LISTEN was accepted, and what we sent ourselves did not come. So it is behind a pooler that gives each
// transaction another connection.
var errSilent = errors.New("relay: LISTEN brings nothing: a transaction pooler is in between")

// notification is what a process tells the others after its commits.
type notification struct {
	From    string   `json:"from"`
	Targets []string `json:"targets,omitempty"` // have work that is due
	Changed bool     `json:"changed,omitempty"` // targets were created, changed, enabled or disabled
}

// notifier tells other processes on the same database of work and hears of theirs. It sends after commits and not in
// them: a transaction that notifies commits under a lock which all of those share, and appends would queue for it.
type notifier struct {
	db      *sql.DB         // sends
	config  *pgx.ConnConfig // of the connection that listens; nil: none
	channel string
	self    string
	wake    *wakeups
	note    func(what string, err error)

	mu      sync.Mutex
	targets map[string]struct{}
	changed bool
	probe   bool // send something, whatever it is
	signal  chan struct{}

	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup
}

// newNotifier makes a notifier of the processes that use the same schema; self is different in each.
func newNotifier(e *postgresEngine, wake *wakeups, self string, note func(string, error)) *notifier {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(e.schema)) // never fails
	n := &notifier{
		db: e.writers, config: e.listening, channel: "relay_" + strconv.FormatUint(sum.Sum64(), 36), self: self, wake: wake, note: note,
		targets: map[string]struct{}{}, signal: make(chan struct{}, 1),
	}
	n.ctx, n.stop = context.WithCancel(context.Background())
	return n
}

func (n *notifier) start() {
	n.done.Go(n.send)
	if n.config != nil {
		n.done.Go(n.listen)
	}
}

func (n *notifier) close() {
	n.stop()
	n.done.Wait()
}

// tell has others told what a commit has changed; it never waits.
func (n *notifier) tell(targets map[string]struct{}, changed bool) {
	if len(targets) == 0 && !changed {
		return
	}
	n.mu.Lock()
	for t := range targets {
		n.targets[t] = struct{}{}
	}
	n.changed = n.changed || changed
	n.mu.Unlock()
	n.ring()
}

func (n *notifier) ring() {
	select {
	case n.signal <- struct{}{}:
	default:
	}
}

// send tells what has gathered, at most so often.
func (n *notifier) send() {
	failed := false
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.signal:
		}
		payload, more := n.take()
		if payload == "" {
			continue
		}
		ctx, cancel := context.WithTimeout(n.ctx, tellTime)
		_, err := n.db.ExecContext(ctx, `SELECT pg_notify($1, $2)`, n.channel, payload)
		cancel()
		if err != nil && !failed && n.ctx.Err() == nil {
			n.note("notify other processes: they find the work by polling", err)
		}
		failed = err != nil
		select {
		case <-n.ctx.Done():
			return
		case <-time.After(tellPause):
		}
		if more {
			n.ring()
		}
	}
}

// take cuts what fits into one notification from what has gathered; the rest is left for the next one.
func (n *notifier) take() (payload string, more bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.targets) == 0 && !n.changed && !n.probe {
		return "", false
	}
	told := notification{From: n.self, Changed: n.changed}
	n.changed, n.probe = false, false
	size := 64
	for t := range n.targets {
		quoted, err := json.Marshal(t)
		if size += len(quoted) + 1; size > maxNotification && err == nil {
			break
		}
		told.Targets = append(told.Targets, t)
		delete(n.targets, t)
	}
	text, err := json.Marshal(told)
	if err != nil { // texts and a truth value always can be
		return "", false
	}
	return string(text), len(n.targets) > 0
}

// listen keeps a connection on which others are heard.
func (n *notifier) listen() {
	pause, told := minListenPause, false
	for n.ctx.Err() == nil {
		heard, err := n.session()
		if n.ctx.Err() != nil {
			return
		}
		if !told {
			told = true
			n.note("listen to other processes: their work is found by polling meanwhile", err)
		}
		if heard {
			pause = minListenPause
		}
		wait := pause
		if pause = min(2*pause, maxListenPause); errors.Is(err, errSilent) {
			wait = silentPause
		}
		select {
		case <-n.ctx.Done():
		case <-time.After(wait):
		}
	}
}

// session is the life of one connection that listens. heard: it brought something.
func (n *notifier) session() (heard bool, err error) {
	conn, err := pgx.ConnectConfig(n.ctx, n.config)
	if err != nil {
		return false, fmt.Errorf("connect: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // it is given up in any case
	}()
	if err := conn.PgConn().Exec(n.ctx, "LISTEN "+n.channel).Close(); err != nil {
		return false, fmt.Errorf("LISTEN: %w", err)
	}
	n.mu.Lock()
	n.probe = true
	n.mu.Unlock()
	n.ring()
	for {
		ctx, cancel := n.ctx, context.CancelFunc(func() {})
		if !heard {
			ctx, cancel = context.WithTimeout(n.ctx, proofTime)
		}
		got, err := conn.WaitForNotification(ctx)
		late := ctx.Err() != nil
		cancel()
		if err != nil {
			if !heard && late {
				// The server's connection that took the LISTEN may be anybody's next; asking costs nothing.
				err = errors.Join(errSilent, conn.PgConn().Exec(n.ctx, "UNLISTEN *").Close())
			}
			return heard, err
		}
		heard = true
		n.hear(got.Payload)
	}
}

// hear wakes the dispatcher for what another process has told. What was written by somebody else is not understood,
// and ignored.
func (n *notifier) hear(payload string) {
	var told notification
	if json.Unmarshal([]byte(payload), &told) != nil || told.From == n.self {
		return
	}
	if told.Changed {
		n.wake.targetsChanged()
	}
	due := make(map[string]struct{}, len(told.Targets))
	for _, t := range told.Targets {
		due[t] = struct{}{}
	}
	n.wake.add(due)
}
