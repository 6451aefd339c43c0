// Package load makes the requests of the benchmarks and counts their answers. It is as cheap as it can be made,
// because it runs on the cores of what it measures: requests are written into one buffer for each connection
// and answers are read without being parsed further than their status and length.
package load

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"
)

// BodySize is the size of every event's body, in bytes.
const BodySize = 580

// Messages makes distinct, signed webhooks (Standard Webhooks, HMAC-SHA256) from a seed: the same ones in each
// run. It is not safe for concurrent use: each connection has its own.
type Messages struct {
	mac     hash.Hash
	prefix  string
	scatter bool
	n       uint64
	body    []byte
	number  []byte // the part of body that differs from message to message
}

// NewMessages makes the messages of one connection. No two with different names make the same id.
func NewMessages(secret, name string, seed uint64) *Messages {
	body, at := Body(seed)
	return &Messages{
		mac: hmac.New(sha256.New, []byte(secret)), prefix: name, body: body, number: body[at : at+numberWidth],
	}
}

// Scattered makes numbers, and so ids, that look random, instead of such as follow each other: as keys they belong
// anywhere among those that are stored, not beside the one before.
func (m *Messages) Scattered() *Messages {
	m.scatter = true
	return m
}

// Scattered is the n-th number of a name as 16 digits that look random. Those of one name never repeat.
func Scattered(name string, n uint64) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	x := h.Sum64() + n // splitmix64's last steps from here on; each can be undone, so no two numbers meet
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return fmt.Sprintf("%016x", x^x>>31)
}

const numberWidth = 16

// Body is an order.completed event of BodySize bytes, and where in it the order's number stands.
func Body(seed uint64) (body []byte, number int) {
	random := rand.New(rand.NewPCG(seed, 0))
	const head = `{"type":"order.completed","timestamp":"2026-01-01T00:00:00Z","data":{"order_id":"`
	text := head + "0000000000000000" + `","amount_minor":4999,"currency":"EUR","note":"`
	const tail = `"}}`
	for len(text)+len(tail) < BodySize {
		text += string(rune('a' + random.IntN(26)))
	}
	return []byte(text + tail), len(head)
}

// Signed is one message ready to be sent.
type Signed struct {
	ID, Timestamp, Signature string
	Body                     []byte // valid until the next message
}

// Next makes the next message, signed as of now.
func (m *Messages) Next(now time.Time) Signed {
	m.n++
	if m.scatter {
		copy(m.number, Scattered(m.prefix, m.n))
	} else {
		copy(m.number, fmt.Sprintf("%s%0*x", m.prefix, numberWidth-len(m.prefix), m.n))
	}
	s := Signed{ID: "msg_" + string(m.number), Timestamp: strconv.FormatInt(now.Unix(), 10), Body: m.body}
	m.mac.Reset()
	m.mac.Write([]byte(s.ID + "." + s.Timestamp + "."))
	m.mac.Write(m.body)
	s.Signature = "v1," + base64.StdEncoding.EncodeToString(m.mac.Sum(nil))
	return s
}
