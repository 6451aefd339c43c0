package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// counted counts lines as they are read, and how much was read since the last entry.
type counted struct {
	from   io.Reader
	offset int64
	ends   []int64 // offsets of line ends that nobody has asked past yet
	before int     // line ends before those
	limit  int     // of an entry
	budget int
}

func (c *counted) Read(into []byte) (int, error) {
	if c.budget < 0 {
		return 0, errTooLong
	}
	n, err := c.from.Read(into[:min(len(into), c.budget+1)])
	for i, b := range into[:n] {
		if b == '\n' {
			c.ends = append(c.ends, c.offset+int64(i))
		}
	}
	c.offset += int64(n)
	c.budget -= n
	return n, err
}

// line is the number of the line that an offset is on. Offsets are asked for in their order.
func (c *counted) line(offset int64) int {
	for len(c.ends) > 0 && c.ends[0] < offset {
		c.ends = c.ends[1:]
		c.before++
	}
	return c.before + 1
}

// jsonSource reads an array, or the array that is the member webhooks of an object.
type jsonSource struct {
	counted *counted
	decoder *json.Decoder
	keyed   bool
	state   jsonState
}

type jsonState int

const (
	atStart jsonState = iota
	inArray
	atEnd
)

func newJSONSource(in io.Reader, limit int, keyed bool) *jsonSource {
	c := &counted{from: in, limit: limit, budget: limit}
	return &jsonSource{counted: c, decoder: json.NewDecoder(c), keyed: keyed}
}

func (s *jsonSource) next() (Entry, error) {
	if s.state == atStart {
		if err := s.open(); err != nil {
			return Entry{}, s.located(err)
		}
		s.state = inArray
	}
	s.counted.budget = s.counted.limit
	if s.state == inArray && s.decoder.More() {
		var raw json.RawMessage
		if err := s.decoder.Decode(&raw); err != nil {
			return Entry{}, s.located(err)
		}
		end := s.decoder.InputOffset()
		entry := Entry{Line: s.counted.line(end - int64(len(raw))), End: end, raw: raw}
		entry.parse(raw)
		return entry, nil
	}
	if s.state == inArray {
		if err := s.shut(); err != nil {
			return Entry{}, s.located(err)
		}
		s.state = atEnd
	}
	return Entry{}, io.EOF
}

// open reads up to the first entry.
func (s *jsonSource) open() error {
	if !s.keyed {
		_, err := s.decoder.Token()
		return err
	}
	if _, err := s.decoder.Token(); err != nil {
		return err
	}
	first := ""
	for s.decoder.More() {
		key, err := s.decoder.Token()
		if err != nil {
			return err
		}
		if key == "webhooks" {
			if bracket, err := s.decoder.Token(); err != nil || bracket != json.Delim('[') {
				return errors.Join(err, errors.New(`"webhooks" must be a list of entries`))
			}
			return nil
		}
		if name, ok := key.(string); ok && first == "" {
			first = name
		}
		var skipped json.RawMessage
		if err := s.decoder.Decode(&skipped); err != nil {
			return err
		}
	}
	return fmt.Errorf(`an object must be an entry with url and payload, or have a list "webhooks"; %q is neither`, first)
}

// shut reads what follows the last entry, where nothing may be lost: another value would be.
func (s *jsonSource) shut() error {
	if _, err := s.decoder.Token(); err != nil { // the bracket
		return err
	}
	for s.keyed && s.decoder.More() {
		var skipped json.RawMessage
		if _, err := s.decoder.Token(); err != nil {
			return err
		}
		if err := s.decoder.Decode(&skipped); err != nil {
			return err
		}
	}
	if s.keyed {
		if _, err := s.decoder.Token(); err != nil { // the brace
			return err
		}
	}
	switch _, err := s.decoder.Token(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	default:
		return errors.New("something follows the end of the list")
	}
}

// located finds the line of a fault.
func (s *jsonSource) located(err error) error {
	offset := s.decoder.InputOffset()
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		offset = max(offset, syntax.Offset)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		offset, err = s.counted.offset, errors.New("the list does not end")
	}
	return located(s.counted.line(offset), err)
}

// withID puts an id into a JSON object that has none.
func withID(raw []byte, id string) []byte {
	brace := bytes.IndexByte(raw, '{')
	quoted, err := json.Marshal(id)
	if brace < 0 || err != nil {
		return raw
	}
	out := append(bytes.Clone(raw[:brace+1]), `"id":`...)
	out = append(append(out, quoted...), ',')
	return append(out, raw[brace+1:]...)
}
