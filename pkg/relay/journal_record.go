package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A record of the journal is its version (one byte), then the messages, each with its deliveries to its end. Numbers are
// unsigned varints as in encoding/binary, and texts and bytes are preceded by their length:
//
//	time of the commit (Unix µs), number of messages,
//	message: id, source, type, dedupe key, ordering key, tenant, headers, body, delay (µs), number of deliveries
//	delivery: id, target, 1 when it was born leased and else 0
const journalVersion = 1

// entry is a message in the journal. Its bytes are those of its group's record.
type entry struct {
	Draft
	delay   time.Duration // before its first attempts
	members []member
	seq     int64 // of its row, once there is one
}

// member is a delivery in the journal.
type member struct {
	id   string
	born bool  // leased: its first attempt was given away
	seq  int64 // of its row, once there is one
	// held is the outcome of that attempt, which waits to be recorded together with the row.
	held *op
}

// appendRecord encodes drafts. born tells of each delivery, in their order, whether it is born leased.
func appendRecord(b []byte, at int64, drafts []*prepared, born []bool) []byte {
	b = append(b, journalVersion)
	b = binary.AppendUvarint(b, uint64(at))
	b = binary.AppendUvarint(b, uint64(len(drafts)))
	n := 0
	for _, p := range drafts {
		for _, text := range [...]string{p.ID, p.Source, p.Type, p.DedupeKey, p.OrderingKey, p.Tenant} {
			b = appendSized(b, text)
		}
		b = appendSized(b, p.Headers)
		b = appendSized(b, p.Body)
		b = binary.AppendUvarint(b, uint64(p.delay.Microseconds()))
		b = binary.AppendUvarint(b, uint64(len(p.Targets)))
		for i, target := range p.Targets {
			b = appendSized(b, p.deliveries[i])
			b = appendSized(b, target)
			b = binary.AppendUvarint(b, uint64(number(born[n])))
			n++
		}
	}
	return b
}

func appendSized[T string | []byte](b []byte, v T) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

// recordSize is about how long the record of some drafts is.
func recordSize(p *prepared) int {
	const perMessage, perDelivery = 128, 64
	n := perMessage + len(p.DedupeKey) + len(p.OrderingKey) + len(p.Headers) + len(p.Body)
	for _, target := range p.Targets {
		n += perDelivery + len(target)
	}
	return n
}

var errRecord = errors.New("relay: a row of the journal is damaged")

// recordReader reads numbers and bytes until something is wrong.
type recordReader struct {
	rest []byte
	bad  bool
}

func (r *recordReader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *recordReader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *recordReader) text() string { return string(r.bytes()) }

// count is a number of things that take at least a byte each.
func (r *recordReader) count() int {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.bad = true
		return 0
	}
	return int(n)
}

// readRecord decodes a record. The entries' headers and bodies are parts of it.
func readRecord(record []byte) (at int64, entries []entry, err error) {
	if len(record) == 0 || record[0] != journalVersion {
		return 0, nil, fmt.Errorf("%w: its version is unknown", errRecord)
	}
	r := recordReader{rest: record[1:]}
	at = int64(r.number())
	entries = make([]entry, r.count())
	for i := range entries {
		r.entry(&entries[i])
	}
	if r.bad || len(r.rest) > 0 {
		return 0, nil, errRecord
	}
	return at, entries, nil
}

func (r *recordReader) entry(e *entry) {
	for _, text := range [...]*string{&e.ID, &e.Source, &e.Type, &e.DedupeKey, &e.OrderingKey, &e.Tenant} {
		*text = r.text()
	}
	e.Headers, e.Body = r.bytes(), r.bytes()
	e.delay = time.Duration(r.number()) * time.Microsecond
	n := r.count()
	e.Targets, e.members = make([]string, n), make([]member, n)
	for k := range e.members {
		e.members[k].id, e.Targets[k] = r.text(), r.text()
		e.members[k].born = r.number() == 1
	}
}
