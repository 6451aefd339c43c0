package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/signet/pkg/relay/internal/record"
)

// Who asks for something by its id waits for its rows. Where those are not made in time, because much is to be done before or
// the disk is full or read-only, it is read from the journal, so that what was accepted can be seen at all times. There it is
// as far as it was committed: pending, or delivering where its first attempt was claimed.

// selectJournaled finds what has no rows yet, the newest first. What is folded comes before all of that.
const selectJournaled = `SELECT j.seq, j.records, c.born FROM journal j LEFT JOIN journal_claims c USING (seq)
  WHERE j.seq > coalesce((SELECT max(seq) FROM folded), 0) ORDER BY j.seq DESC`

// journaled is a message in the journal.
type journaled struct {
	record.Message
	at       time.Time
	claimed  []bool // its deliveries
	disabled map[string]bool
}

// findJournaled finds the message in the journal that has an id, or a delivery of that id. It looks through all of the
// journal, which has no index of them. A row that is damaged is an error only if no other has it.
func findJournaled(ctx context.Context, q querier, id string) (found journaled, ok bool, err error) {
	if found, ok, err = searchJournal(ctx, q, id); err == nil && ok {
		found.disabled, err = readDisabled(ctx, q)
	}
	return found, ok && err == nil, err
}

func searchJournal(ctx context.Context, q querier, id string) (found journaled, ok bool, err error) {
	rows, err := q.query(ctx, selectJournaled)
	if err != nil {
		return found, false, err
	}
	var damaged error
	defer func() {
		if err = errors.Join(err, rows.Close(), rows.Err()); err == nil && !ok {
			err = damaged
		}
	}()
	for !ok && rows.Next() {
		var seq int64
		var raw, born []byte
		if err := rows.Scan(&seq, &raw, &born); err != nil {
			return found, false, err
		}
		at, messages, err := record.Read(raw)
		if err != nil {
			damaged = fmt.Errorf("not found, but row %d of the journal cannot be read: %w", seq, err)
			continue
		}
		found, ok = journaledOf(messages, born, id)
		found.at = time.UnixMicro(at).UTC()
	}
	return found, ok, nil
}

// journaledOf finds a message among those of one row. born tells of each delivery of the row whether it was claimed later.
func journaledOf(messages []record.Message, born []byte, id string) (journaled, bool) {
	n := 0
	for _, m := range messages {
		if m.ID != id && !slices.ContainsFunc(m.Deliveries, func(d record.Delivery) bool { return d.ID == id }) {
			n += len(m.Deliveries)
			continue
		}
		found := journaled{Message: m, claimed: make([]bool, len(m.Deliveries))}
		for k, d := range m.Deliveries {
			found.claimed[k] = d.Born || n+k < len(born) && born[n+k] == 1
		}
		return found, true
	}
	return journaled{}, false
}

func (j *journaled) delivery(k int) Delivery {
	d := Delivery{
		ID: j.Deliveries[k].ID, MessageID: j.ID, TargetID: j.Deliveries[k].Target, Source: j.Source, Type: j.Type,
		State: Pending, CreatedAt: j.at, UpdatedAt: j.at,
	}
	switch {
	case j.claimed[k]:
		d.State, d.Attempts = Delivering, 1
		return d
	case j.disabled[d.TargetID]:
		d.State = Paused
	}
	d.NextAt = j.at.Add(time.Duration(j.Delay) * time.Microsecond)
	return d
}

// journaledMessage reads a message by its id.
func journaledMessage(ctx context.Context, q querier, id string) (Message, bool, error) {
	j, ok, err := findJournaled(ctx, q, id)
	if !ok || j.ID != id {
		return Message{}, false, err
	}
	m := Message{
		ID: j.ID, Source: j.Source, Type: j.Type, DedupeKey: j.DedupeKey, OrderingKey: j.OrderingKey, Tenant: j.Tenant,
		Headers: notNil(j.Headers), Body: notNil(j.Body), CreatedAt: j.at,
	}
	for k := range j.Deliveries {
		m.Deliveries = append(m.Deliveries, j.delivery(k))
	}
	return m, true, nil
}

// journaledDelivery reads a delivery by its id. It has no attempt that is over.
func journaledDelivery(ctx context.Context, q querier, id string) (Delivery, bool, error) {
	j, ok, err := findJournaled(ctx, q, id)
	if !ok {
		return Delivery{}, false, err
	}
	k := slices.IndexFunc(j.Deliveries, func(d record.Delivery) bool { return d.ID == id })
	if k < 0 {
		return Delivery{}, false, nil
	}
	return j.delivery(k), true, nil
}
