package relay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// want asks for up to limit due deliveries of one target.
type want struct {
	target string
	limit  int
}

// claimed is a delivery under this process's lease.
type claimed struct {
	seq         int64
	messageSeq  int64
	token       int64
	budgetFrom  int
	delivery    Delivery
	orderingKey string
	until       time.Time // by this process's clock
	place       place     // in the journal, where it was claimed there
}

// claimAgain is after how long it is worth while to ask again for what is due and could not be claimed.
const claimAgain = 100 * time.Millisecond

// got is what came of a want: the deliveries claimed, and when the target's next one is due or worth asking for. Zero:
// none waits, or what is due waits behind the head of its ordering key.
type got struct {
	claims []*task // without their messages
	nextAt time.Time
	more   bool // some were passed over that will not be the next time: there may be others behind them
}

// A claim counts the attempt before it is made, so that a message that kills the process runs out of attempts,
// and moves the fencing token on. deliveries_due finds the due ones; deliveries_ordered the heads of their keys. Both
// engines read the inner query only as far as the outer one needs it, and at most orderWindow beyond its limit. A limit
// is a sum because SQLite plans a statement anew each time a plain one is bound.
const (
	claimDue = `WITH due AS MATERIALIZED (
    SELECT due.seq FROM (
      SELECT d.seq, d.target_id, d.ordering_key FROM deliveries d
      WHERE d.target_id = ? AND d.state = 'pending' AND d.behind = 0 AND d.next_at <= ?
        AND EXISTS (SELECT 1 FROM targets t WHERE t.id = d.target_id AND t.enabled = 1)
      ORDER BY d.next_at, d.seq LIMIT (? + 0) /*skip locked*/) due
    WHERE due.ordering_key = '' OR NOT EXISTS (
      SELECT 1 FROM deliveries e
      WHERE e.target_id = due.target_id AND e.ordering_key = due.ordering_key AND e.ordering_key <> ''
        AND e.state IN ('pending', 'delivering', 'failed') AND (e.seq < due.seq OR e.state = 'delivering'))
    LIMIT (? + 0))
  UPDATE deliveries SET state = 'delivering', attempts = attempts + 1, lease_token = lease_token + 1,
    lease_until = ?, updated_at = ?
  WHERE seq IN (SELECT seq FROM due)
  RETURNING seq, id, message_seq, attempts, budget_from, lease_token, last_status, last_error, replay_of, created_at, ordering_key`
	nextDue = `SELECT coalesce(min(next_at), 0) FROM deliveries WHERE target_id = ? AND state = 'pending' AND behind = 0`
)

// claim takes due deliveries of several targets under a lease, in one commit. The database says what is due, by
// its own clock; what it answers is turned into this process's time, because the two may differ.
func (s *Store) claim(ctx context.Context, wants []want) (map[string]got, error) {
	var all map[string]got
	asked := s.cfg.Now()
	err := s.claims.do(ctx, newOp(func(ctx context.Context, t *txn) error {
		all = make(map[string]got, len(wants))
		ahead := asked.Sub(t.now)
		for _, w := range wants {
			g, err := t.claimTarget(ctx, w, s.cfg.Lease)
			if err != nil {
				return fmt.Errorf("claim for %s: %w", w.target, err)
			}
			for i := range g.claims {
				g.claims[i].claimed.until = asked.Add(s.cfg.Lease)
			}
			if !g.nextAt.IsZero() {
				g.nextAt = g.nextAt.Add(ahead)
			}
			all[w.target] = g
		}
		return nil
	}))
	return all, err
}

func (t *txn) claimTarget(ctx context.Context, w want, lease time.Duration) (got, error) {
	now := t.now.UnixMicro()
	var claims []*task
	read := func(row scanner) error {
		k := &task{claimed: claimed{delivery: Delivery{TargetID: w.target, State: Delivering, UpdatedAt: t.now}}}
		var created int64
		c, d := &k.claimed, &k.claimed.delivery
		err := row.Scan(&c.seq, &d.ID, &c.messageSeq, &d.Attempts, &c.budgetFrom, &c.token, &d.LastStatus, &d.LastError,
			&d.ReplayOf, &created, &c.orderingKey)
		d.CreatedAt = time.UnixMicro(created).UTC()
		claims = append(claims, k)
		return err
	}
	err := t.each(ctx, read, claimDue, w.target, now, w.limit+orderWindow, w.limit, t.now.Add(lease).UnixMicro(), now)
	if err != nil {
		return got{}, err
	}
	asked := len(claims) == w.limit
	if claims, err = t.engine.confirm(ctx, t, claims); err != nil {
		return got{}, err
	}
	slices.SortFunc(claims, func(a, b *task) int { return cmp.Compare(a.claimed.seq, b.claimed.seq) })
	t.moved(w.target, Pending, Delivering, int64(len(claims)))
	g := got{claims: claims}
	if asked { // there may be more: it is asked again soon
		return g, nil
	}
	var next int64
	if err := t.scan(ctx, nextDue, []any{w.target}, &next); err != nil {
		return got{}, err
	}
	if next > now {
		g.nextAt = time.UnixMicro(next)
	} else if next > 0 {
		n, err := t.setBehind(ctx, w.target)
		if g.more = n > 0; !g.more { // another process has it locked, or a later one of its key is being delivered
			g.nextAt = t.now.Add(claimAgain)
		}
		return g, err
	}
	return g, nil
}

const selectBodies = `SELECT seq, id, source, type, dedupe_key, ordering_key, tenant, headers, body, created_at
  FROM messages WHERE seq IN (SELECT value FROM json_each(?))`

// load reads the messages of claimed deliveries: until then payloads stay on disk.
func (s *Store) load(ctx context.Context, claims []*task) error {
	seqs, order := make([]int64, len(claims)), slices.Clone(claims)
	for i, k := range claims {
		seqs[i] = k.claimed.messageSeq
	}
	slices.SortFunc(order, func(a, b *task) int { return cmp.Compare(a.claimed.messageSeq, b.claimed.messageSeq) })
	list, err := json.Marshal(seqs)
	if err != nil {
		return err
	}
	read := func(row scanner) error {
		var m Message
		var seq, created int64
		if err := row.Scan(&seq, &m.ID, &m.Source, &m.Type, &m.DedupeKey, &m.OrderingKey, &m.Tenant, &m.Headers, &m.Body, &created); err != nil {
			return err
		}
		m.CreatedAt = time.UnixMicro(created).UTC()
		i, _ := slices.BinarySearchFunc(order, seq, func(k *task, seq int64) int { return cmp.Compare(k.claimed.messageSeq, seq) })
		for ; i < len(order) && order[i].claimed.messageSeq == seq; i++ {
			order[i].job.Message = m
		}
		return nil
	}
	err = s.engineReader.each(ctx, read, selectBodies, string(list))
	if err != nil && errors.Is(s.engine.classify(err), ErrUnavailable) { // the connection may only have been idle for too long
		err = s.engineReader.each(ctx, read, selectBodies, string(list))
	}
	return err
}

// deliveries_leased serves this.
const selectExpired = `SELECT seq, target_id, attempts, budget_from, updated_at FROM deliveries
  WHERE state = 'delivering' AND lease_until <= ? LIMIT 512 /*skip locked*/`

// takeBack ends the leases of the process that had the database before this one.
func (s *Store) takeBack(ctx context.Context) error {
	for {
		n, err := s.expire(ctx, true, "the process ended before the outcome was recorded")
		if err != nil {
			return fmt.Errorf("take back leases: %w", err)
		}
		if s.recovered += n; n == 0 {
			return nil
		}
	}
}

// sweep ends leases that have run out, and says how many.
func (s *Store) sweep(ctx context.Context) (int, error) {
	return s.expire(ctx, false, "the lease ran out before the outcome was recorded")
}

func (s *Store) expire(ctx context.Context, every bool, reason string) (int, error) {
	var n int
	err := s.claims.do(ctx, newOp(func(ctx context.Context, t *txn) error {
		before := t.now.UnixMicro()
		if every {
			before = math.MaxInt64
		}
		rows, err := t.query(ctx, selectExpired, before)
		if err != nil {
			return err
		}
		started := map[int64]int64{}
		claims, err := collect(rows, func(row scanner) (c claimed, err error) {
			var at int64
			err = row.Scan(&c.seq, &c.delivery.TargetID, &c.delivery.Attempts, &c.budgetFrom, &at)
			started[c.seq] = at
			return c, err
		})
		if err != nil {
			return err
		}
		for _, c := range claims {
			if err := t.expireOne(ctx, c, s.cfg.Schedule, reason, time.UnixMicro(started[c.seq])); err != nil {
				return err
			}
		}
		n = len(claims)
		return nil
	}))
	return n, err
}

const endLease = `UPDATE deliveries SET state = ?, next_at = ?, lease_until = 0, lease_token = lease_token + 1,
  last_status = 0, last_error = ?, updated_at = ? WHERE seq = ?`

// expireOne makes a delivery whose holder is gone due at once, or failed when its attempts are spent. The
// token moves on, so that an outcome of the late holder is refused.
func (t *txn) expireOne(ctx context.Context, c claimed, schedule Schedule, reason string, started time.Time) error {
	state := Pending
	if c.delivery.Attempts-c.budgetFrom >= len(schedule) {
		state = Failed
	}
	now := t.now.UnixMicro()
	if err := t.exec(ctx, endLease, string(state), now, reason, now, c.seq); err != nil {
		return err
	}
	t.moved(c.delivery.TargetID, Delivering, state, 1)
	return t.exec(ctx, insertAttempt, c.seq, c.delivery.Attempts, started.UnixMicro(), t.now.Sub(started).Microseconds(), 0, reason, "")
}
