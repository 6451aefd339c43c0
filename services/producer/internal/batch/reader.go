package batch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// MaxEntry is the most bytes one entry may have.
const MaxEntry = 64 << 20

// Format is how the entries of a batch stand in their file.
type Format string

// The formats.
const (
	Array    Format = "JSON array"          // [{…}, {…}]
	Webhooks Format = `JSON {"webhooks":…}` // {"webhooks": [{…}, {…}]}
	Lines    Format = "NDJSON"              // {…} on each line
	YAML     Format = "YAML"                // a list
	YAMLKey  Format = "YAML webhooks:"      // a list under the key webhooks
)

// Reader reads the entries of a batch. It is not safe for concurrent use.
type Reader struct {
	format Format
	count  int
	source source
}

// source finds the next entry: where it stands, what it is as JSON or what is wrong with it, and its raw text. The
// error is io.EOF after the last one, and any other when there is no reading on.
type source interface {
	next() (Entry, error)
}

// peeked is how much of the input is looked at to find its format out.
const peeked = 64 << 10

// NewReader finds out the format from the beginning of the input. The error is of reading.
func NewReader(from io.Reader) (*Reader, error) { return newReader(from, MaxEntry) }

// newReader takes entries of at most limit bytes.
func newReader(from io.Reader, limit int) (*Reader, error) {
	in := bufio.NewReaderSize(from, peeked)
	if head, _ := in.Peek(3); bytes.Equal(head, []byte("\uFEFF")) {
		_, _ = in.Discard(3)
	}
	format, err := sniff(in)
	if err != nil {
		return nil, err
	}
	r := &Reader{format: format}
	switch format {
	case Array, Webhooks:
		r.source = newJSONSource(in, limit, format == Webhooks)
	case Lines:
		r.source = &lineSource{lines: lines{in: in, limit: limit}}
	default:
		yaml := &yamlSource{lines: lines{in: in, limit: limit}}
		r.source = yaml
		yaml.begin()
		if yaml.keyed {
			r.format = YAMLKey
		}
	}
	return r, nil
}

// sniff waits for the first bytes that say something, and for no more: they may come down a pipe.
func sniff(in *bufio.Reader) (Format, error) {
	for n := 1; ; n = max(n+1, in.Buffered()) {
		head, err := in.Peek(min(n, peeked))
		text := bytes.TrimLeft(head, " \t\r\n")
		switch {
		case len(text) > 0 && text[0] == '[':
			return Array, nil
		case len(text) > 0 && text[0] != '{':
			return YAML, nil
		case len(text) > 0:
			if key, whole := firstKey(text[1:]); whole || err != nil {
				return ofObject(key), nil
			}
		case errors.Is(err, io.EOF):
			return Lines, nil // nothing at all
		}
		if n >= peeked {
			return Lines, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
	}
}

// ofObject tells an entry from an object that holds them, by its first key.
func ofObject(key string) Format {
	if slices.Contains([]string{"id", "url", "payload", "secret", "scheme", "headers"}, strings.ToLower(key)) {
		return Lines
	}
	return Webhooks
}

// firstKey reads the first key of an object after its brace; whole says that it was there.
func firstKey(text []byte) (key string, whole bool) {
	text = bytes.TrimLeft(text, " \t\r\n")
	if len(text) == 0 {
		return "", false
	}
	if text[0] != '"' {
		return "", true
	}
	end := bytes.IndexByte(text[1:], '"')
	if end < 0 {
		return "", false
	}
	return string(text[1 : 1+end]), true
}

// Format is the format that was found.
func (r *Reader) Format() Format { return r.format }

// Next reads the next entry, which may be [Entry.Wrong]. The error is io.EOF after the last one; any other says
// from which line on there is no reading on.
func (r *Reader) Next() (Entry, error) {
	entry, err := r.source.next()
	if err != nil {
		return Entry{}, err
	}
	r.count++
	entry.Number = r.count
	return entry, nil
}

// lines reads lines of any length up to a limit.
type lines struct {
	in     *bufio.Reader
	limit  int
	number int   // of the last line
	offset int64 // after the last line
}

var errTooLong = fmt.Errorf("the entry is longer than %d bytes", MaxEntry)

// next reads a line without its end; it is valid until the next call. Of a line that is too long nothing is kept, and the
// error is errTooLong.
func (l *lines) next() ([]byte, error) {
	var long []byte // what did not fit into the buffer
	begun, tooLong := false, false
	for {
		piece, err := l.in.ReadSlice('\n')
		l.offset += int64(len(piece))
		if len(long)+len(piece) > l.limit+len("\r\n") {
			long, tooLong = nil, true
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			if begun = true; !tooLong {
				long = append(long, piece...)
			}
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || (len(piece) == 0 && !begun)) {
			return nil, err
		}
		l.number++
		if tooLong {
			return nil, errTooLong
		}
		if long != nil {
			piece = append(long, piece...)
		}
		return bytes.TrimRight(piece, "\r\n"), nil
	}
}

// lineSource reads NDJSON.
type lineSource struct{ lines lines }

func (s *lineSource) next() (Entry, error) {
	for {
		line, err := s.lines.next()
		entry := Entry{Line: s.lines.number, End: s.lines.offset}
		if errors.Is(err, errTooLong) {
			entry.Wrong = err
			return entry, nil
		}
		if err != nil {
			return Entry{}, located(s.lines.number+1, err)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		entry.raw = bytes.Clone(line)
		entry.parse(entry.raw)
		return entry, nil
	}
}

// located names the line of an error, but for the end of the input, which is none.
func located(line int, err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("line %d: %w", line, err)
}
