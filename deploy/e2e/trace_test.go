package e2e_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// call is one system call of a trace. A call that other threads interrupt stands on two lines of the trace: when it
// began and when it came back are kept apart, because only a call that came back has had its effect.
type call struct {
	name, file, text string
	begun, back      int // lines of the trace; back is 0 for one that never came back
	failed           bool
}

var (
	begins  = regexp.MustCompile(`^(\d+) +(\w+)\(\d+<([^>]*)>(.*)$`)
	resumes = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)$`)
	failure = regexp.MustCompile(`= -1 E`)
)

// parseTrace reads what strace -f -y wrote. Lines that it cannot use (exits, signals) are passed over.
func parseTrace(log string) []call {
	var calls []call
	open := map[string]int{} // thread → its call that has not come back
	for i, line := range strings.Split(log, "\n") {
		if m := begins.FindStringSubmatch(line); m != nil {
			c := call{name: m[2], file: m[3], text: m[4], begun: i + 1}
			if strings.HasSuffix(line, "<unfinished ...>") {
				open[m[1]] = len(calls)
			} else {
				c.back, c.failed = i+1, failure.MatchString(line)
			}
			calls = append(calls, c)
		} else if m := resumes.FindStringSubmatch(line); m != nil {
			if at, ok := open[m[1]]; ok {
				calls[at].back, calls[at].failed = i+1, failure.MatchString(line)
				calls[at].text += m[3]
				delete(open, m[1])
			}
		}
	}
	return calls
}

// durable demands that after the webhook was read, what it carried was written to the log file, and that a sync of that
// file, begun after that write, came back before the answer began. A sync of something else, as of a new log's header,
// does not count.
func durable(calls []call, wal, carried string) error {
	from := func(after int, what func(call) bool) (call, bool) {
		at := slices.IndexFunc(calls, func(c call) bool { return c.begun > after && c.back > 0 && !c.failed && what(c) })
		if at < 0 {
			return call{}, false
		}
		return calls[at], true
	}
	request, ok := from(0, func(c call) bool {
		return slices.Contains([]string{"read", "recvfrom", "recvmsg", "readv"}, c.name) && strings.Contains(c.text, "POST /webhook")
	})
	if !ok {
		return errors.New("no webhook was read")
	}
	answer, ok := from(request.back, func(c call) bool {
		return slices.Contains([]string{"write", "sendto", "sendmsg", "writev"}, c.name) && strings.Contains(c.text, "HTTP/1.1 200")
	})
	if !ok {
		return errors.New("the webhook was not answered with 200")
	}
	written, ok := from(request.back, func(c call) bool {
		return strings.Contains(c.name, "write") && strings.HasSuffix(c.file, wal) && strings.Contains(c.text, carried)
	})
	if !ok || written.back > answer.begun {
		return errors.New("the webhook was not written to " + wal + " before the answer")
	}
	synced, ok := from(written.back, func(c call) bool { return strings.HasSuffix(c.name, "sync") && strings.HasSuffix(c.file, wal) })
	if !ok || synced.back > answer.begun {
		return errors.New("no sync of " + wal + " came back before the answer")
	}
	return nil
}

// TestDurable shows that the demand on a trace can fail.
func TestDurable(t *testing.T) {
	const (
		request = `11 read(8<TCP:[127.0.0.1:1->127.0.0.1:2]>, "POST /webhook HTTP/1.1\r\n"..., 4096) = 700`
		written = `12 pwrite64(7</d/receiver.db-wal>, "...ORDER..."..., 4096, 56) = 4096`
		header  = `12 pwrite64(7</d/receiver.db-wal>, "\\x37\\x7f"..., 32, 0) = 32`
		synced  = `12 fdatasync(7</d/receiver.db-wal>) = 0`
		began   = `12 fsync(7</d/receiver.db-wal> <unfinished ...>`
		resumed = `12 <... fsync resumed>)              = 0`
		broken  = `12 fsync(7</d/receiver.db-wal>) = -1 EIO (Input/output error)`
		answer  = `11 write(8<TCP:[127.0.0.1:2->127.0.0.1:1]>, "HTTP/1.1 200 OK\r\nServer"..., 200) = 200`
	)
	cases := map[string]struct {
		lines []string
		want  bool
	}{
		"synced before the answer":         {[]string{request, written, synced, answer}, true},
		"a sync on two lines":              {[]string{request, written, began, resumed, answer}, true},
		"synced after the answer":          {[]string{request, written, answer, synced}, false},
		"came back after the answer":       {[]string{request, written, began, answer, resumed}, false},
		"never came back":                  {[]string{request, written, began, answer}, false},
		"synced before it was written":     {[]string{request, synced, written, answer}, false},
		"synced before it was read":        {[]string{written, synced, request, answer}, false},
		"only the header synced":           {[]string{request, header, synced, written, answer}, false},
		"failed":                           {[]string{request, written, broken, answer}, false},
		"never synced":                     {[]string{request, written, answer}, false},
		"another file":                     {[]string{request, written, strings.Replace(synced, "db-wal", "lock", 1), answer}, false},
		"refused":                          {[]string{request, written, synced, strings.Replace(answer, "200 OK", "503", 1)}, false},
		"the first sync counts, not later": {[]string{request, written, synced, answer, written, synced}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if err := durable(parseTrace(strings.Join(c.lines, "\n")), "receiver.db-wal", "ORDER"); (err == nil) != c.want {
				t.Errorf("durable: %v, want it to hold: %t", err, c.want)
			}
		})
	}
}
