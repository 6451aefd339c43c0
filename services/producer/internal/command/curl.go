package command

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxArgument is the longest body that becomes an argument of curl's; systems allow 128 KiB.
const maxArgument = 100 << 10

// curl is a request as a command for a POSIX shell that sends it, byte for byte.
type curl struct {
	request *http.Request
	url     string   // as it is to be shown
	options []string // further ones, before the headers
	body    []byte
	file    string // that holds the body; empty: the command itself does
}

func (c curl) String() string {
	lines := append([]string{fmt.Sprintf("curl --request %s %s", quote(c.request.Method), quote(c.url))}, c.options...)
	for _, h := range headerLines(c.request) {
		if name, found := strings.CutSuffix(h, ": "); found {
			h = name + ";" // without a value a header would not be sent, but for the semicolon
		}
		lines = append(lines, "--header "+quote(h))
	}
	prefix := ""
	switch {
	case c.file != "":
		lines = append(lines, "--data-binary "+quote("@"+c.file))
	case len(c.body) <= maxArgument && utf8.Valid(c.body) && !bytes.ContainsRune(c.body, 0):
		lines = append(lines, "--data-raw "+quote(string(c.body))) // unlike --data it takes nothing for a file's name
	default:
		prefix = "printf %s " + quote(base64.StdEncoding.EncodeToString(c.body)) + " | base64 -d | "
		lines = append(lines, "--data-binary @-")
	}
	return prefix + strings.Join(lines, " \\\n  ")
}

// headerLines are the headers as they are sent, sorted.
func headerLines(request *http.Request) []string {
	var lines []string
	if request.Host != request.URL.Host {
		lines = append(lines, "Host: "+request.Host)
	}
	for name, values := range request.Header {
		for _, value := range values {
			lines = append(lines, name+": "+value)
		}
	}
	slices.Sort(lines)
	return lines
}

// quote makes one word of s for a POSIX shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9') || strings.ContainsRune("_-./:,@%+=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
