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

	"github.com/valyala/fasthttp"

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
// and without it the file does. A chunked body is put together. A line that begins with a space or tab continues
// the header before it, as the receiver's server has it.
func ParseCapture(data []byte) (Capture, error) {
	line, rest := cutLine(data)
	fields := strings.Fields(line)
	if len(fields) != 3 || !strings.HasPrefix(fields[2], "HTTP/") {
		return Capture{}, fmt.Errorf("%w: its first line is not like POST /webhook HTTP/1.1", ErrCapture)
	}
	c := Capture{Method: fields[0], Target: fields[1], Header: http.Header{}}
	for number := 2; len(rest) > 0; number++ {
		if line, rest = cutLine(rest); line == "" {
			return c, c.readBody(rest)
		}
		name, value, err := ParseHeader(line)
		if err != nil {
			return Capture{}, fmt.Errorf("%w: line %d is not a header", ErrCapture, number)
		}
		var more int
		if value, rest, more = unfold(value, rest); strings.ContainsAny(value, notInValue) {
			return Capture{}, fmt.Errorf("%w: what continues line %d is not part of a header", ErrCapture, number)
		}
		number += more
		c.Header.Add(name, value)
	}
	return c, nil
}

// unfold joins a header's value with the lines that continue it, by one space each, as fasthttp does. A line of
// nothing but space counts, and leaves its space at the end of the value.
func unfold(value string, data []byte) (joined string, rest []byte, lines int) {
	var all strings.Builder
	all.WriteString(value)
	for rest = data; len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t'); lines++ {
		var line string
		line, rest = cutLine(rest)
		all.WriteString(" " + strings.Trim(line, " \t"))
	}
	if lines == 0 {
		return value, rest, 0
	}
	return strings.TrimLeft(all.String(), " \t"), rest, lines
}

func cutLine(data []byte) (line string, rest []byte) {
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	return strings.TrimSuffix(string(first), "\r"), rest
}

// notInValue are the characters that would end a header, or the text in it.
const notInValue = "\r\n\x00"

// ParseHeader reads "Name: value". The name is a token (RFC 9110, section 5.6.2). The value loses the space around
// it.
func ParseHeader(line string) (name, value string, err error) {
	name, value, found := strings.Cut(line, ":")
	if !found || name == "" || strings.ContainsFunc(name, notInToken) || strings.ContainsAny(value, notInValue) {
		return "", "", errors.New("a header must be 'Name: value'")
	}
	return name, strings.Trim(value, " \t"), nil
}

func notInToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
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

// Request is what signatures are about. Its URL is the base, such as https://hooks.example.com, with the target's
// path and query: the host that a target or a header names is not believed, as the receiver does not. Without a base
// the URL is the target that has a host of its own, or is made of the Host header, as https. No target, no URL.
func (c Capture) Request(base string) signature.Request {
	r := signature.Request{Method: c.Method, Header: c.Header, Body: c.Body}
	own := !strings.HasPrefix(c.Target, "/") && strings.Contains(c.Target, "://")
	switch host := c.Header.Get("Host"); {
	case c.Target == "":
	case base != "":
		r.URL = strings.TrimRight(base, "/") + c.path()
	case own:
		r.URL = c.Target
	case host != "":
		r.URL = "https://" + host + c.path()
	}
	return r
}

// path is the target's path and query: as they are spelled, and those of a target with a host as the receiver's
// server reads them.
func (c Capture) path() string {
	if strings.HasPrefix(c.Target, "/") {
		return c.Target
	}
	var address fasthttp.URI
	// Of a target that cannot be read, the server too goes on with what it has.
	_ = address.Parse([]byte(c.Header.Get("Host")), []byte(c.Target))
	return string(address.RequestURI())
}
