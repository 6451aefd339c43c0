package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"example.com/signet/pkg/relay"
)

// table is what is to be added to a table.
type table struct {
	statements *statements
	rows       []row
}

// statements insert into one table, and leave out the rows whose keys are there.
type statements struct {
	one     string
	several map[int]string // by the number of rows; these answer the amounts of the rows they have inserted
}

// makeStatements makes them out of one in which %s stands for the rows, and the column of a row's amount, or a constant.
func makeStatements(insert string, columns int, amount string) *statements {
	values := "(?" + strings.Repeat(", ?", columns-1) + ")"
	s := &statements{one: fmt.Sprintf(insert, values), several: map[int]string{}}
	for n := 2; n <= maxRows; n *= 2 {
		s.several[n] = fmt.Sprintf(insert, values+strings.Repeat(", "+values, n-1)) + ` RETURNING ` + amount
	}
	return s
}

type row struct {
	values []any
	amount int64
}

// maxRows is how many rows one statement inserts at most. Statements have a power of two of them, so that there are
// few to prepare and keep.
const maxRows = 64

// add inserts the rows, and says how many of them were new and what their amounts add up to.
func (t table) add(ctx context.Context, tx relay.Tx) (fresh, sum int64, err error) {
	n := maxRows
	if !tx.RoundTrips() {
		n = 1
	}
	for len(t.rows) > 0 {
		if n > len(t.rows) {
			n /= 2
			continue
		}
		addRows := t.addSeveral
		if n == 1 {
			addRows = t.addOne
		}
		f, s, err := addRows(ctx, tx, t.rows[:n])
		if err != nil {
			return 0, 0, err
		}
		fresh, sum, t.rows = fresh+f, sum+s, t.rows[n:]
	}
	return fresh, sum, nil
}

func (t table) addOne(ctx context.Context, tx relay.Tx, rows []row) (fresh, sum int64, err error) {
	res, err := tx.Exec(ctx, t.statements.one, rows[0].values...)
	if err != nil {
		return 0, 0, err
	}
	fresh, err = res.RowsAffected()
	return fresh, fresh * rows[0].amount, err
}

func (t table) addSeveral(ctx context.Context, tx relay.Tx, rows []row) (fresh, sum int64, err error) {
	args := make([]any, 0, len(rows)*len(rows[0].values))
	for _, r := range rows {
		args = append(args, r.values...)
	}
	inserted, err := tx.Query(ctx, t.statements.several[len(rows)], args...)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, inserted.Close()) }()
	for inserted.Next() {
		var amount int64
		if err := inserted.Scan(&amount); err != nil {
			return 0, 0, err
		}
		fresh, sum = fresh+1, sum+amount
	}
	return fresh, sum, inserted.Err()
}
