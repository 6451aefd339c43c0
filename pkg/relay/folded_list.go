package relay

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"example.com/signet/pkg/relay/internal/record"
)

// foldedPage is how many folded rows of the journal a list looks at together.
const foldedPage = 8

// maxAbout is how many different kinds of deliveries a folded row says it has. One that has more is always looked at.
const maxAbout = 32

// about says which sources, types and targets the messages of a group have: a line for each that is different from the
// others. None of the three has control characters.
func about(messages []record.Message) string {
	lines := map[string]struct{}{}
	add := func(m *record.Message, target string) {
		lines["\n"+m.Source+"\t"+m.Type+"\t"+target+"\n"] = struct{}{}
	}
	for i := range messages {
		m := &messages[i]
		for _, d := range m.Deliveries {
			add(m, d.Target)
		}
		if len(m.Deliveries) == 0 {
			add(m, "")
		}
		if len(lines) > maxAbout {
			return ""
		}
	}
	var all strings.Builder
	for line := range lines {
		all.WriteString(line)
	}
	return all.String()
}

// about passes over folded rows that have none of what is asked for.
func (c *conditions) about(source, eventType, target string) {
	for _, line := range []struct{ value, begin, end string }{
		{source, "\n", "\t"}, {eventType, "\t", "\t"}, {target, "\t", "\n"},
	} {
		if line.value != "" {
			c.add(`(f.about = '' OR instr(f.about, ?) > 0)`, line.begin+line.value+line.end)
		}
	}
}

// list reads folded rows from the newest to the oldest, of those that are before a position of the log.
func (*folds) list(ctx context.Context, q reader, c conditions, before int64, visit func(folded) (more bool)) error {
	c.where, c.args = slices.Clone(c.where), slices.Clone(c.args)
	c.add(c.column+" < ?", before)
	query := foldedColumns + " WHERE " + strings.Join(c.where, " AND ") + " ORDER BY " + c.column + " DESC LIMIT ?"
	for more := true; more; {
		n := 0
		args := append(slices.Clone(c.args[:len(c.args)-1]), before, foldedPage)
		err := eachFolded(ctx, q, query, args, func(f folded) bool {
			n++
			if before = f.message; c.column == "f.delivery" {
				before = f.delivery
			}
			more = visit(f)
			return more
		})
		if err != nil {
			return err
		}
		more = more && n == foldedPage
	}
	return nil
}

// messages lists those a filter selects, newest first, without headers and bodies.
func (a *folds) messages(ctx context.Context, q reader, f MessageFilter, page conditions) (found []messageRow, err error) {
	if a == nil || f.State != "" && f.State != Done {
		return nil, nil
	}
	c := conditions{column: "f.message"}
	c.about(f.Source, f.Type, "")
	c.between("f.created_at", f.Since, f.Until)
	err = a.list(ctx, q, c, page.before, func(g folded) bool {
		for i := len(g.messages) - 1; i >= 0 && len(found) <= page.limit; i-- {
			m := &g.messages[i]
			if g.outcomes[i] == nil || g.message+int64(i) >= page.before || f.Source != "" && m.Source != f.Source ||
				f.Type != "" && m.Type != f.Type || f.State != "" && len(m.Deliveries) == 0 {
				continue
			}
			found = append(found, g.row(i, false))
		}
		return len(found) <= page.limit
	})
	return found, err
}

// deliveries lists those a filter selects, newest first.
func (a *folds) deliveries(ctx context.Context, q reader, f DeliveryFilter, page conditions) (found []deliveryRow, err error) {
	if a == nil || f.State != "" && f.State != Done {
		return nil, nil
	}
	c := conditions{column: "f.delivery"}
	c.deliveriesIn(f)
	err = a.list(ctx, q, c, page.before, func(g folded) bool {
		all := slices.DeleteFunc(g.selected(f), func(d deliveryRow) bool { return d.seq >= page.before })
		slices.Reverse(all)
		found = append(found, all[:min(len(all), page.limit+1-len(found))]...)
		return len(found) <= page.limit
	})
	return found, err
}

// deliveriesIn passes over folded rows in which a filter selects no delivery.
func (c *conditions) deliveriesIn(f DeliveryFilter) {
	c.add("f.deliveries > 0")
	c.about("", f.Type, f.TargetID)
	c.between("f.created_at", f.Since, f.Until)
	if key, _, ours := foldableID(f.MessageID); ours {
		c.add("f.last_id >= ? AND f.first_id <= ?", key, key)
	} else if f.MessageID != "" {
		c.add("1 = 0")
	}
}

// selected are the deliveries of a folded row that a filter selects, in their order.
func (f *folded) selected(filter DeliveryFilter) (all []deliveryRow) {
	starts := f.starts()
	for i := range f.messages {
		m := &f.messages[i]
		if f.outcomes[i] == nil || filter.Type != "" && m.Type != filter.Type || filter.MessageID != "" && m.ID != filter.MessageID {
			continue
		}
		for k := range m.Deliveries {
			if filter.TargetID == "" || m.Deliveries[k].Target == filter.TargetID {
				all = append(all, deliveryRow{Delivery: f.delivered(i, k), seq: starts[i] + int64(k), messageSeq: f.message + int64(i)})
			}
		}
	}
	return all
}

// merged is one list of two, newest first. What is in both was thawed between two readings, and its row counts.
func merged[T any](rows, folded []T, seq func(T) int64) []T {
	if len(folded) == 0 {
		return rows
	}
	all := append(slices.Clone(rows), folded...)
	slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(seq(b), seq(a)) })
	return slices.CompactFunc(all, func(a, b T) bool { return seq(a) == seq(b) })
}

const (
	firstFolded = `SELECT coalesce((SELECT delivery FROM folded ORDER BY delivery LIMIT 1), ?)`
	lastFolded  = `SELECT coalesce((SELECT delivery + deliveries - 1 FROM folded ORDER BY delivery DESC LIMIT 1), 0)`
	// folded_delivery serves this.
	selectFoldedBetween = ` f.delivery + f.deliveries > ? + 1 AND f.delivery <= ? ORDER BY f.delivery`
)

// bounds are the positions of the first and of the last folded delivery.
func (a *folds) bounds(ctx context.Context) (first, last int64, err error) {
	if a == nil {
		return math.MaxInt64, 0, nil
	}
	if err := a.callers.row(ctx, firstFolded, int64(math.MaxInt64)).Scan(&first); err != nil {
		return 0, 0, err
	}
	return first, last, a.callers.row(ctx, lastFolded).Scan(&last)
}

// between are the deliveries a filter selects behind one position and up to another.
func (a *folds) between(ctx context.Context, f DeliveryFilter, after, upTo int64) (found []deliveryRow, err error) {
	if a == nil {
		return nil, nil
	}
	var c conditions
	c.deliveriesIn(f)
	query := foldedColumns + " WHERE " + strings.Join(c.where, " AND ") + " AND" + selectFoldedBetween
	err = eachFolded(ctx, a.callers, query, append(c.args, after, upTo), func(g folded) bool {
		found = append(found, slices.DeleteFunc(g.selected(f), func(d deliveryRow) bool { return d.seq <= after || d.seq > upTo })...)
		return true
	})
	return found, err
}
