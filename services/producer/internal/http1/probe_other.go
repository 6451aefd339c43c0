//go:build !unix

package http1

import "syscall"

// prober knows no way to ask a socket here.
type prober struct{ raw syscall.RawConn }

// silent is false, so that no connection is used twice: it could have been closed meanwhile.
func (*prober) silent() bool { return false }
