package http1

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// takes reports whether a request is one that is sent here: a small POST with nothing about it that net/http treats
// in a way of its own, refusing it included.
func (t *Transport) takes(r *http.Request) bool {
	return !t.all && r.Method == http.MethodPost &&
		(r.URL.Scheme == "http" || r.URL.Scheme == "https") && plainHost(r.URL.Host) && (r.Host == "" || plainHost(r.Host)) &&
		r.Body != nil && r.ContentLength > 0 && r.ContentLength <= small &&
		!r.Close && r.TransferEncoding == nil && r.Trailer == nil && r.URL.Opaque == "" && plainHeaders(r.Header)
}

// write is http.Request.Write for the requests that takes lets through, for a third of its cost: names in their
// order, so that one request always looks the same. It closes the body.
func write(to *bytes.Buffer, r *http.Request) error {
	defer func() { _ = r.Body.Close() }()
	uri := r.URL.RequestURI()
	if !visible(uri) {
		return errControl
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	line(to, "POST ", uri, " HTTP/1.1\r\nHost: ", host, "\r\n")
	if _, told := r.Header["User-Agent"]; !told {
		line(to, "User-Agent: Go-http-client/1.1\r\n")
	}
	var digits [20]byte
	line(to, "Content-Length: ")
	to.Write(strconv.AppendInt(digits[:0], r.ContentLength, 10))
	line(to, "\r\n")
	var some [16]string
	names := some[:0]
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			line(to, name, ": ", strings.Trim(value, " \t"), "\r\n")
		}
	}
	line(to, "\r\n")
	head := to.Len()
	if _, err := to.ReadFrom(r.Body); err != nil {
		return err
	}
	if int64(to.Len()-head) != r.ContentLength {
		return errLength
	}
	return nil
}

func line(to *bytes.Buffer, pieces ...string) {
	for _, piece := range pieces {
		to.WriteString(piece)
	}
}

// plainHost holds for hosts that are sent and looked up as they are written: neither international names nor zones.
func plainHost(host string) bool {
	for i := range len(host) {
		switch c := host[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("-._:[]", c) >= 0:
		default:
			return false
		}
	}
	return host != "" && host[0] != ':'
}

// plainHeaders holds when every header can be sent as it stands and none is about the connection.
func plainHeaders(h http.Header) bool {
	size := 0
	if agent, told := h["User-Agent"]; told && (len(agent) != 1 || agent[0] == "") {
		return false // net/http sends the first, or none
	}
	for name, values := range h {
		if !token(name) {
			return false
		}
		switch name {
		case "Connection", "Expect", "Upgrade", "Host", "Transfer-Encoding", "Content-Length", "Trailer", "Te":
			return false
		}
		for _, value := range values {
			if size += len(name) + len(value); size > small || !visible(value) {
				return false
			}
		}
	}
	return true
}

// token is RFC 9110's, section 5.6.2.
func token(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		case strings.IndexByte("!#$%&'*+.^`|~", c) >= 0:
		default:
			return false
		}
	}
	return name != ""
}

func visible(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
