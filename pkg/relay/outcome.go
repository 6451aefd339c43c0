package relay

import (
	"context"
	"database/sql"
	"time"
)

// Verdict is what a target made of one attempt.
type Verdict int

// The three verdicts.
const (
	VerdictRetry     Verdict = iota // try again on the schedule, until it is used up
	VerdictDelivered                // done
	VerdictPermanent                // will never succeed: failed at once
)

// Outcome is a runner's answer to one attempt. Make one with [Delivered], [Retry] or [Permanent] and set the
// optional fields.
type Outcome struct {
	Verdict    Verdict
	Err        error         // why not delivered
	StatusCode int           // 0: none
	Detail     string        // kept with the attempt, cut to 1 KiB: the head of an answer, a handler's note
	RetryAfter time.Duration // not before this long from now; at most 24 h counts
	Throttle   bool          // the target asked for less: nothing else is sent to it before RetryAfter (at least 1 s)
	Disable    string        // not empty: disable the target, for this reason
}

// Delivered is the outcome of an attempt that succeeded. detail may be empty.
func Delivered(detail string) Outcome { return Outcome{Verdict: VerdictDelivered, Detail: detail} }

// Retry is the outcome of an attempt that failed and may succeed later.
func Retry(err error) Outcome { return Outcome{Verdict: VerdictRetry, Err: err} }

// Permanent is the outcome of an attempt that would fail every time.
func Permanent(err error) Outcome { return Outcome{Verdict: VerdictPermanent, Err: err} }

// Job is one attempt at one delivery.
type Job struct {
	Message  Message
	Delivery Delivery
}

// Tx is what an effect may do inside its delivery's transaction: read and write the service's own tables, in SQL that
// the store's engine understands, with "?" placeholders on both engines (on PostgreSQL outside of quotes it is nothing
// else). Truth values are the numbers 1 and 0. Rows are read to their end or closed before the next statement. A
// statement may read the engine's tables but not change them, and can neither end the transaction nor change the
// connection's settings. After one has failed every further one fails with [ErrTxDone].
//
// SQLite asks for each statement what it is about to do, and refuses there. PostgreSQL has no such way, so the text is
// looked at: that keeps mistakes out, not malice (a trigger or a function of the service's own can do what it likes).
//
// On SQLite effects run one after another. On PostgreSQL those of several processes run side by side, each seeing what
// was committed when a statement of its begins (READ COMMITTED): add within one statement (n = n + 1) or lock
// (SELECT … FOR UPDATE) rather than read first and write later.
type Tx interface {
	Exec(ctx context.Context, query string, args ...any) (sql.Result, error)
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	// RoundTrips says whether each statement is a round trip to a server, so that many rows are best put into few statements.
	// Where it is not, a statement of one row costs less than a row of a longer one.
	RoundTrips() bool
}

// RemoteFunc performs one attempt at a target outside the database. It may run twice for one delivery: when
// the process dies between the target's answer and its recording.
//
// Its context ends with the lease (or earlier, see [Runner.Within]), and when [Dispatcher.Stop] aborts attempts. To wait
// for it costs more than most of what an attempt does in memory. Who keeps to the deadline by other means, as a connection
// can, is told of the rest by the context's method AfterAbort(f func()) (stop func() bool), which is context.AfterFunc
// without the deadline; stop is to be called before the attempt is over.
type RemoteFunc func(ctx context.Context, job Job) Outcome

// EffectFunc applies a delivery inside the database. What it does with tx commits together with the
// delivery's completion, exactly once; with any outcome but delivered it is rolled back. It may be called
// again after a rollback, so it must have no effect but through tx. It has bounded time (see
// Config.EffectTimeout); when that is over, tx answers [ErrTxDone].
type EffectFunc func(ctx context.Context, tx Tx, job Job) Outcome

// Runner performs attempts: either outside the database or inside it.
type Runner struct {
	remote  RemoteFunc
	within  time.Duration // 0: as long as the lease lasts
	effect  EffectFunc
	effects EffectsFunc // nil, or the same as effect for several at once
}

// Remote makes a runner for a target outside the database.
func Remote(f RemoteFunc) Runner { return Runner{remote: f} }

// Within bounds each attempt outside the database: its context ends after d, or with the lease if that is sooner. Zero or
// less: with the lease. Effects have a bound of their own, Config.EffectTimeout.
func (r Runner) Within(d time.Duration) Runner {
	r.within = d
	return r
}

// patience is how long an attempt may take whose lease lasts as long as given.
func (r Runner) patience(lease time.Duration) time.Duration {
	if r.within > 0 {
		return min(lease, r.within)
	}
	return lease
}

// Effect makes a runner for a target inside the database.
func Effect(f EffectFunc) Runner { return Runner{effect: f} }

// Resolver finds the runner of a target. False: nobody here runs it, so its deliveries are not claimed.
type Resolver interface {
	Resolve(targetID string) (Runner, bool)
}

// Observation tells what became of an attempt, after that is committed.
type Observation struct {
	Job      Job
	Outcome  Outcome
	Duration time.Duration
	State    State     // the delivery's new state
	NextAt   time.Time // when it is tried again; zero unless pending
}
