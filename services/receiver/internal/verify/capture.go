package verify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"

	"example.com/signet/pkg/signature"
)

// Capture is a request as it stands in a file.
type Capture struct {
	Method, Target string
	Header         http.Header
	Body           []byte
	Notes          []string // what was odd about the file
}

// ErrCapture says that a file is no request. It never repeats what stands in it.
var ErrCapture = errors.New("not a captured HTTP/1.1 request")

// ParseCapture reads a request as it goes over the wire: a request line, headers, an empty line, the body. Lines
// may end with LF alone, as editors leave them; the body is taken as it is. Content-Length says where it ends,
// and without it the file does. A chunked body is put together.
func ParseCapture(data []byte) (Capture, error) {
	line, rest := cutLine(data)
	fields := strings.Fields(line)
	if len(fields) != 3 || !strings.HasPrefix(fields[2], "HTTP/") {
		return Capture{}, fmt.Errorf("%w: its first line is not like POST /webhook HTTP/1.1", ErrCapture)
	}
	c := Capture{Method: fields[0], Target: fields[1], Header: http.Header{}}
	for number := 2; ; number++ {
		if len(rest) == 0 {
			return c, nil
		}
		if line, rest = cutLine(rest); line == "" {
			break
		}
		name, value, err := ParseHeader(line)
		if err != nil {
			return Capture{}, fmt.Errorf("%w: line %d is not a header", ErrCapture, number)
		}
		c.Header.Add(name, value)
	}
	return c, c.readBody(rest)
}

func cutLine(data []byte) (line string, rest []byte) {
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	return strings.TrimSuffix(string(first), "\r"), rest
}

// ParseHeader reads "Name: value". The value loses the space around it.
func ParseHeader(line string) (name, value string, err error) {
	name, value, found := strings.Cut(line, ":")
	if !found || name == "" || strings.ContainsAny(name, " \t\r\n") || strings.ContainsAny(value, "\r\n\x00") {
		return "", "", errors.New("a header must be 'Name: value'")
	}
	return name, strings.Trim(value, " \t"), nil
}

func (c *Capture) readBody(rest []byte) error {
	c.Body = rest
	if strings.EqualFold(c.Header.Get("Transfer-Encoding"), "chunked") {
		body, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(rest)))
		if err != nil {
			c.note("the body is not chunked, though Transfer-Encoding says so: it was taken as it is")
			return nil
		}
		c.Body = body
		return nil
	}
	given := c.Header.Get("Content-Length")
	if given == "" {
		return nil
	}
	length, err := strconv.ParseUint(given, 10, 62)
	switch {
	case err != nil:
		return fmt.Errorf("%w: its Content-Length is not a number", ErrCapture)
	case length > uint64(len(rest)):
		c.note("the body has %d bytes, and Content-Length says %d: the capture may be cut off or changed", len(rest), length)
	case length < uint64(len(rest)):
		c.note("%d bytes after the body's Content-Length were ignored", uint64(len(rest))-length)
		c.Body = rest[:length]
	}
	return nil
}

func (c *Capture) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// Request is what signatures are about. The URL needs a base, such as https://hooks.example.com, and without one
// is made of the Host header, as https.
func (c Capture) Request(base string) signature.Request {
	r := signature.Request{Method: c.Method, Header: c.Header, Body: c.Body}
	switch host := c.Header.Get("Host"); {
	case strings.Contains(c.Target, "://"):
		r.URL = c.Target
	case base != "":
		r.URL = strings.TrimRight(base, "/") + c.Target
	case host != "":
		r.URL = "https://" + host + c.Target
	}
	return r
}
