package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
)

// yamlSource reads a list of entries, on its own or under the key webhooks. No YAML library reads a list item by
// item, so the text is cut where items begin, which the indentation tells: what belongs to an item is indented
// further than its dash.
type yamlSource struct {
	lines  lines
	keyed  bool
	indent int    // of the dashes
	held   []byte // the first line of the next item, with its end; nil: none was seen
	heldAt int
	failed error // after which there is no reading on
	begun  bool
}

// begin reads up to the first item.
func (s *yamlSource) begin() {
	for s.held == nil && s.failed == nil {
		line, err := s.line()
		if err != nil {
			if errors.Is(err, io.EOF) && s.begun && !s.keyed {
				err = located(s.lines.number, errors.New("there is no list of entries, nor one under the key webhooks"))
			}
			s.failed = err
			return
		}
		text := bytes.TrimLeft(line, " ")
		switch {
		case silent(text):
		case isDash(text):
			s.indent = len(line) - len(text)
			s.hold(line)
		case s.keyed:
			s.failed = located(s.lines.number, errors.New("webhooks must be a list of entries, each with a dash before it"))
		case len(text) == len(line) && isKey(text, "webhooks"):
			s.keyed = true
		default:
			s.begun = true // something else, which may come before webhooks
		}
	}
}

func (s *yamlSource) hold(line []byte) {
	s.held, s.heldAt = append(bytes.Clone(line), '\n'), s.lines.number
}

func (s *yamlSource) line() ([]byte, error) {
	line, err := s.lines.next()
	if errors.Is(err, errTooLong) {
		return nil, located(s.lines.number, err)
	}
	if err != nil {
		return nil, located(s.lines.number+1, err)
	}
	return line, nil
}

func (s *yamlSource) next() (Entry, error) {
	if s.held == nil {
		if s.failed == nil {
			return Entry{}, io.EOF
		}
		return Entry{}, s.failed
	}
	entry := Entry{Line: s.heldAt}
	raw := s.held
	s.held = nil
	for s.held == nil && s.failed == nil {
		entry.End = s.lines.offset
		line, err := s.line()
		if err != nil {
			s.failed = err
			break
		}
		text := bytes.TrimLeft(line, " ")
		switch indent := len(line) - len(text); {
		case len(text) > 0 && text[0] != '#' && indent == s.indent && isDash(text):
			s.hold(line)
		case len(text) > 0 && text[0] != '#' && indent <= s.indent:
			s.failed = s.after(line)
		case len(raw)+len(line) > s.lines.limit:
			s.failed = located(s.lines.number, errTooLong)
		default:
			raw = append(append(raw, line...), '\n')
		}
	}
	entry.raw = raw
	text, err := yamlToJSON(raw, entry.Line)
	if err != nil {
		entry.Wrong = err
		return entry, nil
	}
	entry.parse(text)
	return entry, nil
}

// after judges a line that ends the list.
func (s *yamlSource) after(line []byte) error {
	text := strings.TrimSpace(string(line))
	if text == "..." || text == "---" || (s.keyed && line[0] != ' ' && line[0] != '-') {
		// Another key, or the end of the document. A second list after it would be lost, so there may be none.
		for {
			rest, err := s.line()
			if err != nil {
				return err
			}
			if isDash(bytes.TrimLeft(rest, " ")) && (text == "---" || text == "...") {
				return located(s.lines.number, errors.New("a second document is not read; put its entries into the first list"))
			}
		}
	}
	return located(s.lines.number, errors.New("neither an entry (with a dash before it) nor part of one (indented further)"))
}

// silent holds for lines that say nothing, and for what stands before a document.
func silent(text []byte) bool {
	return len(text) == 0 || text[0] == '#' || text[0] == '%' || string(bytes.TrimSpace(text)) == "---"
}

func isDash(text []byte) bool {
	return len(text) > 0 && text[0] == '-' && (len(text) == 1 || text[1] == ' ' || text[1] == '\t')
}

func isKey(text []byte, key string) bool {
	rest, found := bytes.CutPrefix(text, []byte(key+":"))
	rest = bytes.TrimSpace(rest)
	return found && (len(rest) == 0 || rest[0] == '#')
}

// yamlToJSON turns the list of one item into that item as JSON.
func yamlToJSON(raw []byte, line int) ([]byte, error) {
	file, err := parser.ParseBytes(raw, 0)
	if err != nil {
		return nil, locatedYAML(err, line)
	}
	if len(file.Docs) != 1 {
		return nil, errors.New("an entry must be one item of a list")
	}
	w := &jsonWriter{anchors: map[string]json.RawMessage{}}
	if err := w.write(file.Docs[0].Body, 0); err != nil {
		return nil, err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(w.out, &items); err != nil || len(items) != 1 {
		return nil, errors.New("an entry must be one item of a list")
	}
	return items[0], nil
}

// locatedYAML says where an entry stops being YAML. The library's own text quotes the lines around it, in which a
// secret may stand.
func locatedYAML(err error, first int) error {
	var told yaml.Error
	if !errors.As(err, &told) {
		return errors.New("not YAML")
	}
	if token := told.GetToken(); token != nil && token.Position != nil {
		return fmt.Errorf("not YAML: line %d: %s", first+token.Position.Line-1, told.GetMessage())
	}
	return fmt.Errorf("not YAML: %s", told.GetMessage())
}

// yamlWithID puts an id before the first key of an item that has none.
func yamlWithID(raw []byte, id string) []byte {
	dash := bytes.IndexByte(raw, '-')
	if dash < 0 {
		return raw
	}
	rest := raw[dash+1:]
	at := dash + 1 + len(rest) - len(bytes.TrimLeft(rest, " \t\r\n"))
	if at >= len(raw) {
		return raw
	}
	var out []byte
	if raw[at] == '{' {
		out = append(append(bytes.Clone(raw[:at+1]), fmt.Sprintf("id: %q, ", id)...), raw[at+1:]...)
	} else {
		column := at - 1 - bytes.LastIndexByte(raw[:at], '\n')
		out = append(bytes.Clone(raw[:at]), fmt.Sprintf("id: %q\n%s", id, strings.Repeat(" ", column))...)
		out = append(out, raw[at:]...)
	}
	// Not every way of writing an entry was thought of here: better no id than no entry.
	var entry, before Entry
	text, err := yamlToJSON(out, 1)
	old, oldErr := yamlToJSON(raw, 1)
	if err != nil || oldErr != nil {
		return raw
	}
	entry.parse(text)
	before.parse(old)
	if entry.Wrong != nil || entry.ID != id || entry.URL != before.URL || !bytes.Equal(entry.Payload, before.Payload) {
		return raw
	}
	return out
}
