// Package publish accepts events for delivery.
//
// A [Publisher] checks events, finds the endpoints that want them, and appends each as a message with one
// delivery for every such endpoint, in one transaction with the ledger and, if the caller has some, with its
// own tables: a transactional outbox. What it returned as accepted is on disk.
//
// It does not deliver; the engine does, from what was appended.
package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/producer/internal/ledger"
)

// Outbox is where messages are appended.
type Outbox interface {
	Append(ctx context.Context, drafts ...relay.Draft) ([]relay.Receipt, error)
	AppendTx(ctx context.Context, f func(ctx context.Context, tx *relay.OutboxTx) error) error
	NewOutbox(note relay.NoteFunc) *relay.Outbox
}

// Matcher finds who wants an event.
type Matcher interface {
	Matching(tenant, eventType string) []string
}

// Publisher accepts events. It is safe for concurrent use.
type Publisher struct {
	outbox    Outbox
	endpoints Matcher
	now       func() time.Time
	ledgered  *relay.Outbox // what counts in the ledger goes through it
}

// New makes a publisher. now may be nil.
func New(outbox Outbox, endpoints Matcher, now func() time.Time) *Publisher {
	if now == nil {
		now = time.Now
	}
	return &Publisher{outbox: outbox, endpoints: endpoints, now: now, ledgered: outbox.NewOutbox(record)}
}

// Publication is what is accepted together: all of it or nothing.
type Publication struct {
	Source string  // who publishes; the name space of ids and keys
	Events []Event // 1 to MaxBatch
	Key    string  // idempotency key of the whole; may be empty
	Except string  // the id of an endpoint that is not told; may be empty
	// Domain changes the caller's own tables in the same transaction; may be nil. It may run more than once.
	Domain func(ctx context.Context, tx relay.Tx) error
}

// Receipt says what became of one event.
type Receipt struct {
	ID         string // of the first event when this one is its duplicate
	Deliveries int
	Duplicate  bool
}

// prepared is a publication as it is stored: a message for each event, and what those that count add to the ledger.
type prepared struct {
	drafts  []relay.Draft
	entries map[int]ledger.Entry // by the draft's index
}

func (p *prepared) enter(draft int, entry ledger.Entry) {
	if p.entries == nil {
		p.entries = map[int]ledger.Entry{}
	}
	p.entries[draft] = entry
}

// Publish accepts a publication. It returns when everything is on disk. Errors: [*InvalidError],
// relay.ErrUnavailable, what Domain returned, and faults of the store; nothing was accepted then.
func (p *Publisher) Publish(ctx context.Context, pub Publication) ([]Receipt, error) {
	ready, err := p.prepare(pub)
	if err != nil {
		return nil, err
	}
	receipts, err := p.store(ctx, pub, ready)
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	out := make([]Receipt, len(receipts))
	for i, r := range receipts {
		out[i] = Receipt{ID: r.ID, Deliveries: r.Deliveries, Duplicate: r.Duplicate}
	}
	return out, nil
}

// Drafts are the messages of a publication, for a transaction that is not the publisher's own. Its events are of types that
// do not count in the ledger; the error says that one does, or is an [*InvalidError]. Key and Except hold, Domain does not.
func (p *Publisher) Drafts(pub Publication) ([]relay.Draft, error) {
	ready, err := p.prepare(pub)
	if err == nil && len(ready.entries) > 0 {
		err = errCounts
	}
	if err != nil {
		return nil, err
	}
	return ready.drafts, nil
}

var errCounts = errors.New("publish: an event that counts in the ledger goes through Publish")

func (p *Publisher) store(ctx context.Context, pub Publication, ready prepared) (receipts []relay.Receipt, err error) {
	if pub.Domain == nil {
		if len(ready.entries) == 0 { // there is nothing but messages, and they cost less alone
			return p.outbox.Append(ctx, ready.drafts...)
		}
		return p.ledgered.Append(ctx, ready, ready.drafts...)
	}
	err = p.outbox.AppendTx(ctx, func(ctx context.Context, tx *relay.OutboxTx) (err error) {
		if err := pub.Domain(ctx, tx); err != nil {
			return err
		}
		if receipts, err = tx.Append(ctx, ready.drafts...); err != nil {
			return err
		}
		return ledger.Record(ctx, tx, ready.bookings(receipts))
	})
	return receipts, err
}

func (p *Publisher) prepare(pub Publication) (prepared, error) {
	ready := prepared{drafts: make([]relay.Draft, len(pub.Events))}
	for i, e := range pub.Events {
		if wrong := e.check(i); wrong != nil {
			return prepared{}, wrong
		}
		ready.drafts[i] = p.draft(pub, e, i)
		// An event that the ledger does not understand is sent all the same: what it means is between its publisher
		// and its receivers.
		if entry, counts, err := ledger.Understand(e.Type, ready.drafts[i].Body); counts && err == nil {
			ready.enter(i, entry)
		}
	}
	return ready, nil
}

// draft makes the message of one event.
func (p *Publisher) draft(pub Publication, e Event, index int) relay.Draft {
	now := p.now()
	id := relay.NewMessageID(now)
	targets := p.endpoints.Matching(e.Tenant, e.Type)
	if pub.Except != "" {
		targets = slices.DeleteFunc(targets, func(id string) bool { return id == pub.Except })
	}
	return relay.Draft{
		ID:          id,
		Source:      pub.Source,
		Type:        e.Type,
		DedupeKey:   e.dedupeKey(pub.Key, index),
		OrderingKey: e.OrderingKey,
		Tenant:      e.Tenant,
		Body:        e.envelope(id, now),
		Targets:     targets,
	}
}

// bookings are what of a publication is not a duplicate and counts.
func (p prepared) bookings(receipts []relay.Receipt) (all []ledger.Booking) {
	for i, r := range receipts {
		if entry, counts := p.entries[i]; counts && !r.Duplicate {
			all = append(all, ledger.Booking{MessageID: r.ID, Entry: entry})
		}
	}
	return all
}

// record enters what several publications say into the ledger.
func record(ctx context.Context, tx relay.Tx, all []relay.Appended) error {
	var bookings []ledger.Booking
	for _, one := range all {
		if ready, ours := one.Note.(prepared); ours {
			bookings = append(bookings, ready.bookings(one.Receipts)...)
		}
	}
	return ledger.Record(ctx, tx, bookings)
}
