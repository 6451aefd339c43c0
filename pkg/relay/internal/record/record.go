// Package record is the format of a row of the journal: some messages with their deliveries, in one piece, and what became
// of those.
//
// A record is its version (one byte), then the messages, each with its deliveries, to the end. Numbers are unsigned varints
// as in encoding/binary; texts and bytes are preceded by their length:
//
//	when it was appended (Unix µs), number of messages,
//	message: id, source, type, dedupe key, ordering key, tenant, headers, body, delay (µs), number of deliveries
//	delivery: id, target, 1 when it was born leased and else 0
//
// Packed, it is another version and then all that in one block of S2 (https://pkg.go.dev/github.com/klauspost/compress/s2):
// messages of one moment are much alike, and each byte of a row is written twice, to the log and to the database.
package record

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/klauspost/compress/s2"
)

// The first byte of every record: as it is, or packed.
const (
	Version = 1
	Packed  = 2
)

// maxUnpacked bounds what a packed record may become, in bytes: what claims to be longer is damaged.
const maxUnpacked = 1 << 30

// Pack makes of a record what takes less room, where that is less.
func Pack(record []byte) []byte { return new(Packer).Pack(record) }

// Packer packs one record after another in the same memory.
type Packer struct{ memory []byte }

// maxKept bounds the memory, in bytes, that stays for the next record.
const maxKept = 2 << 20

// Pack is the function of that name; what it returns is good until the next call.
func (p *Packer) Pack(record []byte) []byte {
	memory := p.memory[:cap(p.memory)]
	if n := 1 + max(0, s2.MaxEncodedLen(len(record)-1)); n > len(memory) {
		memory = make([]byte, n)
	}
	if p.memory = memory; cap(memory) > maxKept {
		p.memory = nil
	}
	memory[0] = Packed
	packed := memory[:1+len(s2.Encode(memory[1:], record[1:]))]
	if len(packed) >= len(record) {
		return record
	}
	return packed
}

// unpack is what stands behind the version.
func unpack(record []byte) ([]byte, error) {
	if len(record) == 0 {
		return nil, ErrDamaged
	}
	switch record[0] {
	case Version:
		return record[1:], nil
	case Packed:
		n, err := s2.DecodedLen(record[1:])
		if err != nil || n > maxUnpacked {
			return nil, ErrDamaged
		}
		plain, err := s2.Decode(nil, record[1:])
		if err != nil {
			return nil, ErrDamaged
		}
		return plain, nil
	}
	return nil, ErrDamaged
}

// ErrDamaged is what reading something else than a record answers.
var ErrDamaged = errors.New("a row of the journal is damaged")

// Message is a message and its deliveries.
type Message struct {
	ID, Source, Type, DedupeKey, OrderingKey, Tenant string

	Headers, Body []byte
	Delay         int64 // before the first attempts, in µs
	Deliveries    []Delivery
}

// Delivery is one message on its way to one target.
type Delivery struct {
	ID, Target string
	Born       bool // leased: its first attempt was given away at once
}

// Size is about how many bytes a message takes.
func (m *Message) Size() int {
	const perMessage, perDelivery = 128, 64
	n := perMessage + len(m.DedupeKey) + len(m.OrderingKey) + len(m.Headers) + len(m.Body)
	for _, d := range m.Deliveries {
		n += perDelivery + len(d.Target)
	}
	return n
}

// Begin appends the head of a record of n messages, which follow.
func Begin(b []byte, at int64, n int) []byte {
	b = append(b, Version)
	b = binary.AppendUvarint(b, uint64(at))
	return binary.AppendUvarint(b, uint64(n))
}

// Append appends the message.
func (m *Message) Append(b []byte) []byte {
	for _, text := range [...]string{m.ID, m.Source, m.Type, m.DedupeKey, m.OrderingKey, m.Tenant} {
		b = sized(b, text)
	}
	b = sized(b, m.Headers)
	b = sized(b, m.Body)
	b = binary.AppendUvarint(b, uint64(m.Delay))
	b = binary.AppendUvarint(b, uint64(len(m.Deliveries)))
	for _, d := range m.Deliveries {
		b = sized(b, d.ID)
		b = sized(b, d.Target)
		if d.Born {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	return b
}

func sized[T string | []byte](b []byte, v T) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

// Read decodes a record, packed or not. Headers and bodies of the messages are parts of it, or of what it was unpacked to.
// ErrDamaged: it is none.
func Read(record []byte) (at int64, messages []Message, err error) {
	plain, err := unpack(record)
	if err != nil {
		return 0, nil, err
	}
	r := reader{rest: plain}
	at = int64(r.number())
	messages = make([]Message, r.count())
	for i := range messages {
		r.message(&messages[i])
	}
	if r.bad || len(r.rest) > 0 {
		return 0, nil, ErrDamaged
	}
	return at, messages, nil
}

// reader reads numbers and bytes until something is wrong.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) message(m *Message) {
	r.texts(&m.ID, &m.Source, &m.Type, &m.DedupeKey, &m.OrderingKey, &m.Tenant)
	m.Headers, m.Body = r.bytes(), r.bytes()
	m.Delay = int64(r.number())
	m.Deliveries = make([]Delivery, r.count())
	for k := range m.Deliveries {
		d := &m.Deliveries[k]
		r.texts(&d.ID, &d.Target)
		d.Born = r.number() == 1
	}
}

// texts reads some that follow each other. They share their memory.
func (r *reader) texts(into ...*string) {
	from := r.rest
	var ends [8]int
	for i := range into {
		r.bytes()
		ends[i] = len(from) - len(r.rest)
	}
	if r.bad {
		return
	}
	all, begin := string(from[:ends[len(into)-1]]), 0
	for i, text := range into {
		_, size := binary.Uvarint(from[begin:])
		*text = all[begin+size : ends[i]]
		begin = ends[i]
	}
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) text() string { return string(r.bytes()) }

// signed reads a number that may be negative.
func (r *reader) signed() int64 {
	n := r.number()
	return int64(n>>1) ^ -int64(n&1)
}

// amount is a number that is never negative.
func (r *reader) amount() int64 {
	n := r.number()
	if n > math.MaxInt64 {
		r.bad = true
		return 0
	}
	return int64(n)
}

// count is a number of things that take at least a byte each.
func (r *reader) count() int {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.bad = true
		return 0
	}
	return int(n)
}
