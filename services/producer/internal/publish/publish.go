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
	"fmt"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/producer/internal/ledger"
)

// Outbox is where messages are appended.
type Outbox interface {
	AppendTx(ctx context.Context, f func(ctx context.Context, tx *relay.OutboxTx) error) error
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
}

// New makes a publisher. now may be nil.
func New(outbox Outbox, endpoints Matcher, now func() time.Time) *Publisher {
	if now == nil {
		now = time.Now
	}
	return &Publisher{outbox: outbox, endpoints: endpoints, now: now}
}

// Publication is what is accepted together: all of it or nothing.
type Publication struct {
	Source string  // who publishes; the name space of ids and keys
	Events []Event // 1 to MaxBatch
	Key    string  // idempotency key of the whole; may be empty
	// Domain changes the caller's own tables in the same transaction; may be nil. It may run more than once.
	Domain func(ctx context.Context, tx relay.Tx) error
}

// Receipt says what became of one event.
type Receipt struct {
	ID         string // of the first event when this one is its duplicate
	Deliveries int
	Duplicate  bool
}

// entry is a message and what it adds to the ledger.
type entry struct {
	draft  relay.Draft
	counts bool
	ledger ledger.Entry
}

// Publish accepts a publication. It returns when everything is on disk. Errors: [*InvalidError],
// relay.ErrUnavailable, what Domain returned, and faults of the store; nothing was accepted then.
func (p *Publisher) Publish(ctx context.Context, pub Publication) ([]Receipt, error) {
	entries, drafts, err := p.prepare(pub)
	if err != nil {
		return nil, err
	}
	var receipts []relay.Receipt
	err = p.outbox.AppendTx(ctx, func(ctx context.Context, tx *relay.OutboxTx) (err error) {
		if pub.Domain != nil {
			if err := pub.Domain(ctx, tx); err != nil {
				return err
			}
		}
		if receipts, err = tx.Append(ctx, drafts...); err != nil {
			return err
		}
		return record(ctx, tx, entries, receipts)
	})
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	out := make([]Receipt, len(receipts))
	for i, r := range receipts {
		out[i] = Receipt{ID: r.ID, Deliveries: r.Deliveries, Duplicate: r.Duplicate}
	}
	return out, nil
}

func (p *Publisher) prepare(pub Publication) ([]entry, []relay.Draft, error) {
	entries := make([]entry, len(pub.Events))
	drafts := make([]relay.Draft, len(pub.Events))
	for i, e := range pub.Events {
		if wrong := e.check(i); wrong != nil {
			return nil, nil, wrong
		}
		made, err := p.entry(pub, e, i)
		if err != nil {
			return nil, nil, err
		}
		entries[i], drafts[i] = made, made.draft
	}
	return entries, drafts, nil
}

// entry makes the message of one event. An event that the ledger does not understand is sent all the same:
// what it means is between its publisher and its receivers.
func (p *Publisher) entry(pub Publication, e Event, index int) (entry, error) {
	now := p.now()
	id := relay.NewMessageID(now)
	body, err := e.envelope(id, now)
	if err != nil {
		return entry{}, err
	}
	made := entry{draft: relay.Draft{
		ID:          id,
		Source:      pub.Source,
		Type:        e.Type,
		DedupeKey:   e.dedupeKey(pub.Key, index),
		OrderingKey: e.OrderingKey,
		Tenant:      e.Tenant,
		Body:        body,
		Targets:     p.endpoints.Matching(e.Tenant, e.Type),
	}}
	made.ledger, made.counts, err = ledger.Understand(e.Type, body)
	made.counts = made.counts && err == nil
	return made, nil
}

func record(ctx context.Context, tx relay.Tx, entries []entry, receipts []relay.Receipt) error {
	for i, e := range entries {
		if !e.counts || receipts[i].Duplicate {
			continue
		}
		if err := ledger.Record(ctx, tx, receipts[i].ID, e.ledger); err != nil {
			return err
		}
	}
	return nil
}
