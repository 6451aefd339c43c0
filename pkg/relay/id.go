package relay

import (
	"bufio"
	"crypto/rand"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// Prefixes of the ids the engine makes. What follows is a lower-case ULID: ids sort by the time they were made.
const (
	messagePrefix  = "msg_"
	deliveryPrefix = "dlv_"
)

// ids makes sortable ids; those of one millisecond grow, so that they sort in the order they were made.
type ids struct {
	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy
}

func newIDs() *ids {
	return &ids{entropy: ulid.Monotonic(bufio.NewReaderSize(rand.Reader, 1024), 0)}
}

func (g *ids) next(prefix string, now time.Time) string {
	return lower(prefix, g.make(ulid.Timestamp(now)))
}

func (g *ids) make(ms uint64) ulid.ULID {
	g.mu.Lock()
	defer g.mu.Unlock()
	id, err := ulid.New(ms, g.entropy)
	if err != nil { // the entropy of this millisecond ran over: start afresh
		g.entropy = ulid.Monotonic(bufio.NewReaderSize(rand.Reader, 1024), 0)
		id = ulid.MustNew(ms, g.entropy)
	}
	return id
}

// lower writes an id: its prefix, and the ULID in lower case.
func lower(prefix string, id ulid.ULID) string {
	var text [64]byte
	b := append(text[:0], prefix...)
	n := len(b)
	b = append(b, make([]byte, ulid.EncodedSize)...)
	if err := id.MarshalTextTo(b[n:]); err != nil { // the room is as large as it wants
		panic(err)
	}
	for i := n; i < len(b); i++ {
		b[i] |= b[i] & '@' >> 1 // of digits and capitals, only these have the bit
	}
	return string(b)
}

// NewMessageID makes a message id before the message is appended, for callers whose body has to contain it.
func NewMessageID(now time.Time) string {
	return NewID(messagePrefix, now)
}

// NewID makes a sortable id: the prefix and a lower-case ULID (26 characters) of the given time.
func NewID(prefix string, now time.Time) string {
	return lower(prefix, ulid.MustNew(ulid.Timestamp(now), rand.Reader))
}
