package verify_test

import (
	"bytes"
	"errors"
	"testing"

	"example.com/signet/services/receiver/internal/verify"
)

func TestCapture_Request(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ head, base, url string }{
		"base":                {"POST /a?b=1 HTTP/1.1\r\nHost: inside:8000", "https://hooks.example.com/", "https://hooks.example.com/a?b=1"},
		"host":                {"POST /a?b=1 HTTP/1.1\r\nHost: hooks.example.com", "", "https://hooks.example.com/a?b=1"},
		"absolute":            {"POST http://h/a HTTP/1.1\r\nHost: x", "https://hooks.example.com", "http://h/a"},
		"neither":             {"POST /a HTTP/1.1\r\nAccept: */*", "", ""},
		"no headers, no body": {"POST /a HTTP/1.0", "https://h", "https://h/a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			capture, err := verify.ParseCapture([]byte(c.head + "\r\n\r\nbody\r\n"))
			if err != nil {
				t.Fatal(err)
			}
			r := capture.Request(c.base)
			if r.URL != c.url || r.Method != "POST" || string(r.Body) != "body\r\n" {
				t.Errorf("%q %q %q, want %q", r.Method, r.URL, r.Body, c.url)
			}
		})
	}
}

// FuzzParseCapture: never a panic, and the body is the end of the file or a part of it.
func FuzzParseCapture(f *testing.F) {
	for _, seed := range []string{
		"", "POST / HTTP/1.1\n\nbody", "POST / HTTP/1.1\r\nA: b\r\n\r\n", "POST / HTTP/1.1\nContent-Length: 3\n\nbody",
		"POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n2\r\nab\r\n0\r\n\r\n", "POST / HTTP/1.1\n: b\n\n", "POST / HTTP/1.1\nContent-Length: 99999999999999999999\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		capture, err := verify.ParseCapture(data)
		if err != nil {
			if !errors.Is(err, verify.ErrCapture) {
				t.Errorf("error %v", err)
			}
			return
		}
		if capture.Header.Get("Transfer-Encoding") == "" && !bytes.Contains(data, capture.Body) {
			t.Errorf("body %q is not in %q", capture.Body, data)
		}
	})
}
