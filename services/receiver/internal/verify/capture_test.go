package verify_test

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"example.com/signet/services/receiver/internal/verify"
)

func TestCapture_Request(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ head, base, url string }{
		"base":                 {"POST /a?b=1 HTTP/1.1\r\nHost: inside:8000", "https://hooks.example.com/", "https://hooks.example.com/a?b=1"},
		"host":                 {"POST /a?b=1 HTTP/1.1\r\nHost: hooks.example.com", "", "https://hooks.example.com/a?b=1"},
		"absolute":             {"POST http://h/a?b=1 HTTP/1.1\r\nHost: x", "https://hooks.example.com", "https://hooks.example.com/a?b=1"},
		"absolute, no base":    {"POST http://h/a//b HTTP/1.1\r\nHost: x", "", "http://h/a//b"},
		"absolute, normalised": {"POST http://h/a//./%62%20?c=%62#d HTTP/1.1\r\nHost: x", "https://hooks.example.com", "https://hooks.example.com/a/b%20?c=%62"},
		"url in the query":     {"POST /a?to=https://h/ HTTP/1.1\r\nHost: x", "https://hooks.example.com", "https://hooks.example.com/a?to=https://h/"},
		"url in it, no base":   {"POST /a?to=https://h/ HTTP/1.1\r\nHost: x", "", "https://x/a?to=https://h/"},
		"no slash":             {"POST a?to=https://h/ HTTP/1.1\r\nHost: x", "https://hooks.example.com/in", "https://hooks.example.com/in/"},
		"no slash, then two":   {"POST a//b HTTP/1.1\r\nHost: x", "https://hooks.example.com", "https://hooks.example.com/a/b"},
		"neither":              {"POST /a HTTP/1.1\r\nAccept: */*", "", ""},
		"no headers, no body":  {"POST /a HTTP/1.0", "https://h", "https://h/a"},
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

// TestCapture_Request_noTarget: a base alone is no URL.
func TestCapture_Request_noTarget(t *testing.T) {
	t.Parallel()
	c := verify.Capture{Header: http.Header{"Host": {"x"}}}
	for _, base := range []string{"", "https://hooks.example.com"} {
		if got := c.Request(base).URL; got != "" {
			t.Errorf("base %q: %q", base, got)
		}
	}
}

// TestParseCapture_folded wants what the receiver's server makes of folded lines.
func TestParseCapture_folded(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string]string{
		"space":            "A: b\r\n c\r\n",
		"tab":              "A: b\r\n\tc\r\n",
		"much space":       "A: b \t\r\n \t c \t\r\nD: e\r\n",
		"three lines":      "A: b\r\n c\r\n d\r\nD: e\r\n",
		"nothing at first": "A:\r\n b\r\n",
		"nothing after":    "A: b\r\n \r\nD: e\r\n",
		"nothing at all":   "A:\r\n \r\n \r\n",
		"like a header":    "A: b\r\n D: e\r\n",
		"line ends of one": "A: b\n c\r\n",
		"first line":       " A: b\r\n",
		"no colon":         "A\r\n : b\r\n",
		"no name":          ": b\r\n c\r\n",
		"NUL":              "A: b\r\n \x00\r\n",
		"CR":               "A: b\r\n c\rd\r\n",
		"name of a body":   "A: b\r\n\t\r\n{\"a\":1}\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := "POST / HTTP/1.1\r\n" + lines + "\r\n"
			var want fasthttp.RequestHeader
			wrong := want.Read(bufio.NewReader(strings.NewReader(file)))
			got, err := verify.ParseCapture([]byte(file))
			if (err == nil) != (wrong == nil) {
				t.Fatalf("error %v, the server's is %v", err, wrong)
			}
			if err != nil {
				return
			}
			for _, name := range []string{"A", "D"} {
				if got.Header.Get(name) != string(want.Peek(name)) || len(got.Header.Values(name)) != len(want.PeekAll(name)) {
					t.Errorf("%s: %q, want %q", name, got.Header.Values(name), want.PeekAll(name))
				}
			}
		})
	}
}

// TestParseCapture_line: a fault is told with its place, and folded lines count.
func TestParseCapture_line(t *testing.T) {
	t.Parallel()
	_, err := verify.ParseCapture([]byte("POST / HTTP/1.1\nA: b\n c\n d\nno header\n\n"))
	if !errors.Is(err, verify.ErrCapture) || !strings.Contains(err.Error(), "line 5 ") {
		t.Errorf("error %v", err)
	}
}

// FuzzParseCapture: never a panic, and the body is the end of the file or a part of it.
func FuzzParseCapture(f *testing.F) {
	for _, seed := range []string{
		"", "POST / HTTP/1.1\n\nbody", "POST / HTTP/1.1\r\nA: b\r\n\r\n", "POST / HTTP/1.1\nContent-Length: 3\n\nbody",
		"POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n2\r\nab\r\n0\r\n\r\n", "POST / HTTP/1.1\n: b\n\n", "POST / HTTP/1.1\nA: b\n c\n\n", "POST / HTTP/1.1\nContent-Length: 99999999999999999999\n\n",
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
