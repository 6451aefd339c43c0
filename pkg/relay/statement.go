package relay

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// kind is what a piece of an SQL statement is.
type kind int

const (
	filler      kind = iota // space, comment
	word                    // a keyword or a plain name, in lower case
	quoted                  // a quoted name, without its quotes
	literal                 // a string
	placeholder             // "?"
	sign                    // anything else, one byte
)

// piece is one lexical element of an SQL statement. text is as it was written, name what it means.
type piece struct {
	kind       kind
	text, name string
}

// nextPiece cuts the first piece off a statement in PostgreSQL's lexical rules:
// https://www.postgresql.org/docs/current/sql-syntax-lexical.html
func nextPiece(s string) piece {
	cut := func(k kind, n int) piece { return piece{kind: k, text: s[:n]} }
	switch c := s[0]; {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
		return cut(filler, 1)
	case strings.HasPrefix(s, "--"):
		return cut(filler, until(s, 2, "\n"))
	case strings.HasPrefix(s, "/*"):
		return cut(filler, comment(s))
	case c == '\'':
		return cut(literal, closing(s, 1, '\'', false))
	case (c == 'e' || c == 'E') && strings.HasPrefix(s[1:], "'"):
		return cut(literal, closing(s, 2, '\'', true))
	case c == '"':
		p := cut(quoted, closing(s, 1, '"', false))
		p.name = strings.ReplaceAll(strings.Trim(p.text, `"`), `""`, `"`)
		return p
	case c == '$' && dollarTag(s) != "":
		tag := dollarTag(s)
		return cut(literal, until(s, len(tag), tag))
	case c == '?':
		return cut(placeholder, 1)
	case letter(c):
		n := 1
		for n < len(s) && (letter(s[n]) || s[n] >= '0' && s[n] <= '9' || s[n] == '$') {
			n++
		}
		p := cut(word, n)
		p.name = strings.ToLower(p.text)
		return p
	}
	return cut(sign, 1)
}

func letter(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// until is the end of the first mark after from, or of the statement.
func until(s string, from int, mark string) int {
	if i := strings.Index(s[from:], mark); i >= 0 {
		return from + i + len(mark)
	}
	return len(s)
}

// comment is the length of a comment, in which others may be nested.
func comment(s string) int {
	depth := 0
	for i := 0; i < len(s)-1; i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			if depth--; depth == 0 {
				return i + 2
			}
			i++
		}
	}
	return len(s)
}

// closing is the end of what is quoted; the quote itself is written twice inside, or after a backslash.
func closing(s string, from int, quote byte, backslash bool) int {
	for i := from; i < len(s); i++ {
		switch {
		case backslash && s[i] == '\\':
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return len(s)
}

// dollarTag is the mark that opens and closes a dollar-quoted string, or empty.
func dollarTag(s string) string {
	for i := 1; i < len(s); i++ {
		if s[i] == '$' {
			return s[:i+1]
		}
		if !letter(s[i]) && (i == 1 || s[i] < '0' || s[i] > '9') {
			break
		}
	}
	return ""
}

// toPostgres turns a statement of the common dialect into PostgreSQL's: placeholders are numbered, lists come out of
// JSON by its own function, and the locks that stand in comments, for SQLite to overlook, are taken.
func toPostgres(query string) string {
	// As an array, so that an index serves it however small the table looks to the planner.
	query = strings.ReplaceAll(query, "IN (SELECT value FROM json_each(?))", "= ANY (ARRAY(SELECT value::bigint FROM json_array_elements_text(?::json)))")
	var b strings.Builder
	for n := 0; query != ""; {
		p := nextPiece(query)
		query = query[len(p.text):]
		switch {
		case p.kind == placeholder:
			n++
			b.WriteString("$" + strconv.Itoa(n))
		case p.text == "/*lock*/":
			b.WriteString("FOR UPDATE")
		case p.text == "/*skip locked*/":
			b.WriteString("FOR UPDATE SKIP LOCKED")
		default:
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// tablesToPostgres turns a migration of the common dialect into PostgreSQL's. Text compares by its bytes there too,
// so that lists come in the same order.
func tablesToPostgres(script string) string {
	var b strings.Builder
	for script != "" {
		p := nextPiece(script)
		script = script[len(p.text):]
		switch p.name {
		case "integer":
			b.WriteString("BIGINT")
		case "blob":
			b.WriteString("BYTEA")
		case "text":
			b.WriteString(`TEXT COLLATE "C"`)
		case "strict", "without", "rowid":
		default:
			b.WriteString(p.text)
		}
	}
	return b.String()
}

var errForeign = errors.New("relay: statement is not allowed here")

// guardForeign refuses statements of foreign code that would leave its transaction or change what the engine keeps.
// It goes by the text, as PostgreSQL has no other way to ask before a statement runs: it must be one
// statement, its first word that of a query or of a change of rows, and no table of the engine may be what is changed.
// This keeps mistakes out, not malice: a function, a trigger or a rule that the service's own migrations made can still
// do anything, and so can a function of PostgreSQL's that runs text as SQL and is not listed below.
func guardForeign(query string, readOnly bool) error {
	var pieces []piece
	for query != "" {
		p := nextPiece(query)
		query = query[len(p.text):]
		if p.kind != filler {
			pieces = append(pieces, p)
		}
	}
	for len(pieces) > 0 && pieces[len(pieces)-1].text == ";" {
		pieces = pieces[:len(pieces)-1]
	}
	if len(pieces) == 0 {
		return fmt.Errorf("%w: it is empty", errForeign)
	}
	for i := range pieces {
		if err := guardPiece(pieces, i, readOnly); err != nil {
			return err
		}
	}
	return nil
}

func guardPiece(pieces []piece, i int, readOnly bool) error {
	p := pieces[i]
	changes := p.kind == word && (p.name == "insert" || p.name == "update" || p.name == "delete" || p.name == "merge")
	if i == 0 && !changes && p.name != "select" && p.name != "with" && p.name != "values" {
		return fmt.Errorf("%w: it begins with %q", errForeign, p.text)
	}
	if p.text == ";" {
		return fmt.Errorf("%w: it is several", errForeign)
	}
	if p.kind != word {
		return nil
	}
	switch p.name {
	case "set_config", "query_to_xml", "query_to_xml_and_xmlschema",
		"query_to_xmlschema", "dblink", "dblink_exec", "pg_terminate_backend", "pg_cancel_backend":
		return fmt.Errorf("%w: it calls %s", errForeign, p.name)
	case "u":
		if at(pieces, i+1).text == "&" {
			return fmt.Errorf("%w: a name is written in escapes", errForeign)
		}
	case "into":
		if before := at(pieces, i-1).name; before != "insert" && before != "merge" {
			return fmt.Errorf("%w: SELECT INTO makes a table", errForeign)
		}
	}
	if before := at(pieces, i-1).name; !changes || p.name == "update" && (before == "for" || before == "key" || before == "do") ||
		before == "then" || before == "on" { // row locks, and the arms of ON CONFLICT, MERGE and of foreign keys
		return nil
	}
	if table := changedTable(pieces, i+1); isEngineTable(table) || readOnly {
		return fmt.Errorf("%w: it changes %s", errForeign, table)
	}
	return nil
}

// changedTable is the last part of the name after INSERT INTO, UPDATE, DELETE FROM or MERGE INTO.
func changedTable(pieces []piece, i int) string {
	for at(pieces, i).kind == word && (at(pieces, i).name == "into" || at(pieces, i).name == "from" || at(pieces, i).name == "only") ||
		at(pieces, i).text == "(" {
		i++
	}
	for at(pieces, i+1).text == "." {
		i += 2
	}
	return at(pieces, i).name
}

func at(pieces []piece, i int) piece {
	if i < 0 || i >= len(pieces) {
		return piece{}
	}
	return pieces[i]
}
