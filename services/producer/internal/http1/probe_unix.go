//go:build unix

package http1

import (
	"errors"
	"syscall"
)

// prober asks a socket whether there is anything to be read.
type prober struct {
	raw   syscall.RawConn
	peek  func(fd uintptr) bool // made once
	quiet bool
}

// silent reports whether the other side has neither closed the connection nor sent anything. It does not wait.
func (p *prober) silent() bool {
	if p.raw == nil {
		return false
	}
	if p.peek == nil {
		p.peek = func(fd uintptr) bool {
			var one [1]byte
			_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
			p.quiet = errors.Is(err, syscall.EAGAIN)
			return true
		}
	}
	p.quiet = false
	return p.raw.Read(p.peek) == nil && p.quiet
}
