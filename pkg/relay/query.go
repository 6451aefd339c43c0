package relay

import "time"

// MaxPage is the most rows one page holds; DefaultPage is what a limit of 0 means.
const (
	MaxPage     = 200
	DefaultPage = 50
)

// Page asks for a part of a list, newest first. Rows that arrive later never move a page.
type Page struct {
	Limit  int    // 1 to MaxPage; 0: DefaultPage
	Cursor string // what the page before answered as next; empty: the first page
}

// MessageFilter selects messages; zero fields select everything.
type MessageFilter struct {
	Source string
	Type   string
	State  State // messages with at least one delivery in this state
	Since  time.Time
	Until  time.Time // exclusive
}

// DeliveryFilter selects deliveries; zero fields select everything.
type DeliveryFilter struct {
	MessageID string
	TargetID  string
	Type      string
	State     State
	Since     time.Time
	Until     time.Time // exclusive
}

// Stats are lifetime totals, kept with every transaction rather than counted.
type Stats struct {
	Messages   int64
	Deliveries map[State]int64 // every state is present
	Removed    Removed         // of those, what retention has removed; without Keys
}
