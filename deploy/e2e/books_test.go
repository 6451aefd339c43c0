package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	minimumOrders = 1000 // so that zero does not equal zero
	settling      = 120 * time.Second
)

// balance waits until nothing is left to deliver and both services say the same, then holds the receiver's orders
// against what the producer accepted, one by one.
func (s *stack) balance(t *testing.T, accepted *ledger) {
	t.Helper()
	var listed []order
	var settled books
	eventually(t, settling, "the books balance", func(ctx context.Context) (err error) {
		listed, settled, err = s.settled(ctx)
		return err
	})
	t.Logf("settled: %+v, %d orders published", settled, accepted.count())
	if n := accepted.count(); n < minimumOrders {
		t.Errorf("%d orders were accepted, want at least %d", n, minimumOrders)
	}
	if n := int64(len(listed)); n != settled.OrdersCompleted {
		t.Errorf("%d orders are listed, %d counted", n, settled.OrdersCompleted)
	}
	worth, err := audit(accepted.accepted(), listed)
	if err != nil {
		t.Error(err)
	}
	if worth != settled.RevenueMinor {
		t.Errorf("the listed orders are worth %d, the revenue is %d", worth, settled.RevenueMinor)
	}
}

// settled gives the receiver's orders at a moment when nothing was under way and both books were equal.
func (s *stack) settled(ctx context.Context) ([]order, books, error) {
	sent, err := s.producer.stats(ctx)
	if err != nil {
		return nil, books{}, err
	}
	before, err := s.receiver.stats(ctx)
	if err != nil {
		return nil, books{}, err
	}
	if sent.undelivered() != 0 || before.undelivered() != 0 || sent.Domain != before.Domain {
		return nil, books{}, fmt.Errorf("producer %+v, receiver %+v", sent, before)
	}
	// The books alone would hide a webhook that was stored twice, because they are keyed by order.
	if sent.Messages != before.Messages {
		return nil, books{}, fmt.Errorf("%d messages were delivered to the receiver, which holds %d", sent.Messages, before.Messages)
	}
	if sent.Deliveries.Failed != 0 || before.Deliveries.Failed != 0 {
		return nil, books{}, fmt.Errorf("deliveries failed: producer %+v, receiver %+v", sent, before)
	}
	listed, err := s.receiver.orders(ctx)
	if err != nil {
		return nil, books{}, err
	}
	// The demo goes on while they are listed. Its orders come after the load's, by their ids, and its newest one last.
	if n := int(before.Domain.OrdersCompleted); len(listed) > n {
		listed = listed[:n]
	}
	return listed, before.Domain, nil
}

// audit demands that each accepted order stands in the list exactly once, with its amount, applied once. It gives the
// worth of the whole list, the demo's own orders included.
func audit(accepted map[string]int64, listed []order) (worth int64, err error) {
	seen := make(map[string]bool, len(listed))
	var faults []string
	for _, o := range listed {
		worth += o.AmountMinor
		if fault := o.fault(accepted, seen[o.ID]); fault != "" {
			faults = append(faults, fmt.Sprintf("%+v %s", o, fault))
		}
		seen[o.ID] = true
	}
	for id := range accepted {
		if !seen[id] {
			faults = append(faults, "order "+id+" was accepted and never arrived")
		}
	}
	if len(faults) > 0 {
		err = fmt.Errorf("%d accepted, %d listed, %d faults, among them:\n%s",
			len(accepted), len(listed), len(faults), strings.Join(faults[:min(10, len(faults))], "\n"))
	}
	return worth, err
}

// fault says what is wrong with a listed order, if anything is. Orders that the load did not make are the demo's.
func (o order) fault(accepted map[string]int64, listedBefore bool) string {
	amount, ours := accepted[o.ID]
	switch {
	case listedBefore:
		return "is listed twice"
	case o.Applied != 1:
		return "was not applied once"
	case !ours && strings.HasPrefix(o.ID, "load-"):
		return "was never accepted"
	case ours && (o.AmountMinor != amount || o.Currency != "EUR"):
		return fmt.Sprintf("was accepted with %d EUR", amount)
	}
	return ""
}

// TestAudit shows that the comparison can fail.
func TestAudit(t *testing.T) {
	good := order{ID: "load-1", AmountMinor: 1234, Currency: "EUR", Applied: 1}
	demo := order{ID: "ord_demo", AmountMinor: 500, Currency: "EUR", Applied: 1}
	with := func(change func(*order)) order {
		o := good
		change(&o)
		return o
	}
	cases := map[string]struct {
		listed []order
		want   string // part of the error, "" for none
	}{
		"as accepted":      {[]order{good, demo}, ""},
		"missing":          {[]order{demo}, "never arrived"},
		"listed twice":     {[]order{good, demo, good}, "listed twice"},
		"applied twice":    {[]order{with(func(o *order) { o.Applied = 2 })}, "not applied once"},
		"another amount":   {[]order{with(func(o *order) { o.AmountMinor++ })}, "1234 EUR"},
		"another currency": {[]order{with(func(o *order) { o.Currency = "USD" })}, "1234 EUR"},
		"not accepted":     {[]order{good, {ID: "load-2", Applied: 1}}, "never accepted"},
		"demo's twice":     {[]order{good, with(func(o *order) { *o = demo; o.Applied = 2 })}, "not applied once"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := audit(map[string]int64{"load-1": 1234}, c.listed)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("audit: %v, want %q", err, c.want)
			}
		})
	}
}
