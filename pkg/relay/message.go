package relay

import (
	"errors"
	"time"
)

// Errors a caller can tell apart with errors.Is.
var (
	// ErrUnavailable: the store cannot write now (its queue is full, the disk is full or read-only, the database
	// is out of reach, the engine is closed). Nothing was accepted, unless it is the answer to a commit that was
	// lost (see Store.Append); the same call may succeed later.
	ErrUnavailable = errors.New("relay: store unavailable")
	// ErrNotFound: no message, delivery or target has that id.
	ErrNotFound = errors.New("relay: not found")
	// ErrInvalid: the draft, filter, cursor or target is malformed; the text names the field.
	ErrInvalid = errors.New("relay: invalid")
	// ErrState: the delivery is not in a state that allows the operation (a delivered one is replayed, not retried).
	ErrState = errors.New("relay: delivery is in another state")
	// ErrLeaseLost: the delivery was claimed again by another holder; the late holder's effect was rolled back.
	ErrLeaseLost = errors.New("relay: lease lost")
	// ErrTxDone: the transaction was closed (its time ran out, or one of its statements failed).
	ErrTxDone = errors.New("relay: transaction is over")
	// ErrLocked: another process owns the SQLite database.
	ErrLocked = errors.New("relay: database is in use by another process")
)

// Limits of a draft. Longer values are refused with [ErrInvalid].
const (
	MaxSource    = 64        // bytes
	MaxType      = 256       // bytes
	MaxDedupeKey = 512       // bytes
	MaxKey       = 256       // bytes, ordering key and tenant
	MaxTargets   = 4096      // deliveries of one message
	MaxPayload   = 256 << 20 // bytes, headers and body together: databases hold no more than about a gigabyte in one value
)

// Draft is a message to append, together with the targets it is for.
type Draft struct {
	ID          string   // made by NewMessageID; empty: the store makes one
	Source      string   // who sent it, the name space of its dedupe key; required
	Type        string   // the event's type, such as "order.completed"; required
	DedupeKey   string   // empty: never a duplicate
	OrderingKey string   // deliveries to one target with one key run one at a time, in order; empty: unordered
	Tenant      string   // empty: none
	Headers     []byte   // opaque to the engine, kept as they are
	Body        []byte   // opaque to the engine, kept as it is
	Targets     []string // ids; a message without targets is kept and delivered nowhere
	// Redeliver makes the failed deliveries of the first message pending again when this one turns out to be its duplicate.
	Redeliver bool
}

// Receipt says what became of a draft, in the order of the drafts.
type Receipt struct {
	ID         string // the message's id; of the first one when Duplicate
	Duplicate  bool
	Deliveries int // how many deliveries were made; 0 when Duplicate
}

// Message is a stored message.
type Message struct {
	ID          string
	Source      string
	Type        string
	DedupeKey   string
	OrderingKey string
	Tenant      string
	Headers     []byte // nil in lists
	Body        []byte // nil in lists
	CreatedAt   time.Time
	Deliveries  []Delivery // filled by Store.Message and Store.Messages
}

// State is what a person sees a delivery to be in.
type State string

// The states a delivery can be in; it is always in exactly one.
const (
	Pending    State = "pending"    // waits for its time
	Delivering State = "delivering" // claimed under a lease
	Done       State = "delivered"
	Failed     State = "failed" // gave up: the dead-letter list
	Paused     State = "paused" // pending, but its target is disabled
	Cancelled  State = "cancelled"
)

// States lists every state, in the order people read them.
func States() []State { return []State{Pending, Delivering, Done, Failed, Paused, Cancelled} }

// Delivery is one message on its way to one target.
type Delivery struct {
	ID         string
	MessageID  string
	TargetID   string
	Source     string // the message's
	Type       string // the message's
	State      State
	Attempts   int       // claims so far, the running one included
	NextAt     time.Time // when it is next due; zero unless pending or paused
	LastStatus int       // the last attempt's status code; 0: none
	LastError  string    // the last attempt's error; empty after a success
	ReplayOf   string    // the delivery this one repeats; empty: none
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Attempt is one try at a delivery.
type Attempt struct {
	Number     int // 1 is the first
	StartedAt  time.Time
	Duration   time.Duration
	StatusCode int    // 0: no answer, or not a network target
	Error      string // empty: it succeeded
	Detail     string // what the target said: the head of an answer, a handler's note
}

// Target is somewhere deliveries go. The engine keeps its state and limits; what it is (a URL, a function) is
// the service's own affair.
type Target struct {
	ID             string
	Enabled        bool
	DisabledReason string  // empty when enabled
	Concurrency    int     // attempts at once, in one process; 0: DefaultConcurrency; at most MaxConcurrency
	Rate           float64 // attempts started in a second, in one process; 0: no bound; or else MinTargetRate to MaxTargetRate
	// FailingSince is when the first of the attempts failed since which none has succeeded; zero: there is none such, or
	// the store does not disable targets (Config.DisableAfter).
	FailingSince time.Time
	CreatedAt    time.Time
}

// Bounds of Target.Concurrency.
const (
	DefaultConcurrency = 32
	MaxConcurrency     = 1024
)
