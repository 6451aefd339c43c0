// Package unanswered says in a few words why a request got no answer. The words are few and always the same, so that they
// can be counted, and they hold no URL, address or port.
package unanswered

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// The reasons.
const (
	Late         = "no answer in time"
	Refused      = "connection refused"
	Reset        = "connection reset"
	Closed       = "connection closed without an answer"
	Unreachable  = "host unreachable"
	UnknownHost  = "host not found"
	Certificate  = "TLS certificate not trusted"
	NoTLS        = "no TLS there"
	Malformed    = "answer is not HTTP"
	Exhausted    = "no more local ports or files"
	Cancelled    = "cancelled"
	Unclassified = "no answer"
)

// Reason classifies an error of net/http's client or transport.
func Reason(err error) string {
	var host *net.DNSError
	var handshake tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return Cancelled
	case errors.As(err, &host):
		return UnknownHost
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return Late
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Reset
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Unreachable
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return Exhausted
	case errors.As(err, &handshake), errors.Is(err, http.ErrSchemeMismatch):
		return NoTLS
	case untrusted(err):
		return Certificate
	}
	return byText(err)
}

func untrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &name)
}

// byText knows the errors that net/http keeps to itself.
func byText(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "malformed HTTP"):
		return Malformed
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(text, "server closed idle connection"),
		strings.Contains(text, "connection broken"):
		return Closed
	}
	return Unclassified
}
