package command_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/services/receiver/internal/command"
	"example.com/signet/services/receiver/internal/verify"
)

const (
	verifyBody   = `{"type":"order.completed"}`
	verifySecret = "a secret of the tests"
)

var verifyTime = time.Unix(1700000000, 0)

// signedHeader is what a sender adds.
func signedHeader(t *testing.T, scheme, secret, body string) http.Header {
	t.Helper()
	signer, err := signature.NewSigner(scheme, secret)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	if err := signer.Sign(signature.Outgoing{ID: "msg_1", Time: verifyTime, Method: "POST", URL: "https://h/", Body: []byte(body)}, h); err != nil {
		t.Fatal(err)
	}
	return h
}

// arguments are the headers as flags.
func arguments(h http.Header) (args []string) {
	for name, values := range h {
		for _, value := range values {
			args = append(args, "--header", name+": "+value)
		}
	}
	return args
}

func fileOf(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// captured is a whole request in a file.
func captured(h http.Header, newline, more, body string) string {
	lines := []string{"POST /webhook?a=1 HTTP/1.1", "Host: hooks.example.com"}
	for name, values := range h {
		lines = append(lines, name+": "+values[0])
	}
	if more != "" {
		lines = append(lines, more)
	}
	return strings.Join(append(lines, "", ""), newline) + body
}

func runVerify(t *testing.T, stdin string, environ []string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	program := command.Program{Environ: environ, Args: append([]string{"verify"}, args...), In: strings.NewReader(stdin), Out: &out, Log: os.Stderr}
	err := program.Run(t.Context())
	return out.String(), err
}

// exit is the status that main gives.
func exit(err error) int {
	var status command.Status
	var usage service.UsageError
	switch {
	case err == nil:
		return service.ExitOK
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &usage):
		return service.ExitUsage
	}
	return -1
}

func TestProgram_verify(t *testing.T) {
	t.Parallel()
	github, standard := signedHeader(t, "github", verifySecret, verifyBody), signedHeader(t, "standard", verifySecret, verifyBody)
	hub, hooks, at := arguments(github), arguments(standard), []string{"--at", "1700000003"}
	secret := []string{"--secret", verifySecret}
	given := func(lists ...[]string) (all []string) {
		for _, list := range lists {
			all = append(all, list...)
		}
		return all
	}
	const githubValid = "valid: scheme github, secret 1 of 1, id msg_1 (not signed)\n"
	const standardValid = "valid: scheme standard, secret 1 of 1, id msg_1, signed at 2023-11-14T22:13:20Z (3 s ago)\n"
	for name, c := range map[string]struct {
		stdin   string
		environ []string
		args    []string
		status  int
		says    string
	}{
		"standard input":        {verifyBody, nil, given(hub, secret), 0, githubValid},
		"body file":             {"", nil, given(hub, secret, []string{"--body", fileOf(t, verifyBody)}), 0, githubValid},
		"scheme named":          {verifyBody, nil, given(hub, secret, []string{"--scheme", "github"}), 0, githubValid},
		"another scheme named":  {verifyBody, nil, given(hub, secret, []string{"--scheme", "standard"}), 1, "invalid: standard: signature missing: no Webhook-Signature header\n"},
		"time":                  {verifyBody, nil, given(hooks, secret, at), 0, standardValid},
		"time before":           {verifyBody, nil, given(hooks, secret, []string{"--at", "2023-11-14T22:12:50Z"}), 0, "signed at 2023-11-14T22:13:20Z (in 30 s)"},
		"too old now":           {verifyBody, nil, given(hooks, secret), 1, "invalid: standard: signature too old"},
		"tolerance":             {verifyBody, nil, given(hooks, secret, []string{"--at", "1700000600", "--tolerance", "1h"}), 0, "(10m0s ago)"},
		"tolerance, too little": {verifyBody, nil, given(hooks, secret, at, []string{"--tolerance", "1s"}), 1, "too old"},
		"second secret":         {verifyBody, nil, given(hub, []string{"--secret", "other"}, secret), 0, "secret 2 of 2"},
		"secret files":          {verifyBody, nil, given(hub, []string{"--secret-file", fileOf(t, "other\n"), "--secret-file", fileOf(t, verifySecret+"\n")}), 0, "secret 2 of 2"},
		"environment":           {verifyBody, []string{"WEBHOOK_SECRET_NEW=other", "WEBHOOK_SECRET_OLD=" + verifySecret}, hub, 0, "secret 2 of 2"},
		"flags before it":       {verifyBody, []string{"WEBHOOK_SECRET=" + verifySecret}, given(hub, []string{"--secret", "other"}), 1, "invalid: github: signature mismatch\n"},
		"mismatch, no reasons":  {verifyBody + "\n", nil, given(hub, secret), 1, "invalid: github: signature mismatch\n"},
		"mismatch, explained": {
			verifyBody + "\n", nil, given(hub, secret, []string{"--explain"}), 1,
			"invalid: github: signature mismatch\n  1. A newline was added to the end of the body after it was signed. [body_trailing_newline]\n",
		},
		"two reasons": {verifyBody + "\n", nil, given(hooks, secret, []string{"--explain"}), 1, "\n  2. Apart from that, the time"},
		"source":      {verifyBody, []string{"ACME_WEBHOOK_SECRET=" + verifySecret, "ACME_WEBHOOK_SCHEME=github"}, given(hub, []string{"--source", "acme"}), 0, githubValid},
		"source, its tolerance": {
			verifyBody,
			[]string{"WEBHOOK_SECRET=" + verifySecret, "RECEIVER_TOLERANCE=1s"},
			given(hooks, at, []string{"--source", "default"}), 1, "beyond the tolerance of 1s",
		},
		"source, tolerance given": {
			verifyBody,
			[]string{"WEBHOOK_SECRET=" + verifySecret, "RECEIVER_TOLERANCE=1s"},
			given(hooks, at, []string{"--source", "default", "--tolerance", "1m"}), 0, standardValid,
		},
		"source of some schemes": {
			verifyBody,
			[]string{"WEBHOOK_SECRET=" + verifySecret, "WEBHOOK_SCHEME=standard,generic"},
			given(hub, []string{"--source", "default", "--explain"}), 1, "1. The request is a valid one of github, which is not among the schemes of this source. [scheme_not_of_source]",
		},
		"source of some schemes, valid": {
			verifyBody, []string{"WEBHOOK_SECRET=" + verifySecret, "WEBHOOK_SCHEME=github,generic"}, given(hub, []string{"--source", "default"}), 0, githubValid,
		},
		"source without secret": {verifyBody, nil, given(hub, []string{"--source", "default"}), 1, "invalid: source has no secret\n"},
		"source, unsigned":      {verifyBody, []string{"WEBHOOK_ALLOW_UNSIGNED=true"}, []string{"--source", "default"}, 0, "valid: the source takes unsigned requests"},
		"request":               {"", nil, given(secret, []string{"--request", fileOf(t, captured(github, "\r\n", "", verifyBody))}), 0, githubValid},
		"request, plain lines":  {"", nil, given(secret, []string{"--request", fileOf(t, captured(github, "\n", "", verifyBody))}), 0, githubValid},
		"request on input":      {captured(github, "\r\n", "", verifyBody), nil, given(secret, []string{"--request", "-"}), 0, githubValid},
		"request, a line more":  {"", nil, given(secret, []string{"--request", fileOf(t, captured(github, "\n", "", verifyBody+"\n")), "--explain"}), 1, "body_trailing_newline"},
		"request, length": {
			"", nil, given(secret, []string{"--request", fileOf(t, captured(github, "\n", "Content-Length: "+strconv.Itoa(len(verifyBody)), verifyBody+"\n"))}), 0,
			githubValid + "note: 1 bytes after the body's Content-Length were ignored\n",
		},
		"request, cut off": {
			"", nil, given(secret, []string{"--request", fileOf(t, captured(github, "\n", "Content-Length: 99", verifyBody))}), 0,
			githubValid + "note: the body has 26 bytes, and Content-Length says 99: the capture may be cut off or changed\n",
		},
		"request, chunked":            {"", nil, given(secret, []string{"--request", fileOf(t, captured(github, "\r\n", "Transfer-Encoding: chunked", "1a\r\n"+verifyBody+"\r\n0\r\n\r\n"))}), 0, githubValid},
		"request, other body":         {"", nil, given(secret, []string{"--request", fileOf(t, captured(github, "\n", "", "{}")), "--body", fileOf(t, verifyBody)}), 0, githubValid},
		"request, other header":       {"", nil, given(secret, hub, []string{"--request", fileOf(t, captured(http.Header{"X-Hub-Signature-256": {"sha256=00"}}, "\n", "", verifyBody))}), 0, githubValid},
		"header twice":                {verifyBody, nil, given(hub, secret, []string{"--header", "x-hub-signature-256: sha256=00"}), 1, "2 values of X-Hub-Signature-256"},
		"usage: year 10000":           {verifyBody, nil, given(hub, secret, []string{"--at", "253402300800"}), 2, "--at"},
		"usage: year 0":               {verifyBody, nil, given(hub, secret, []string{"--at", "-62135596801"}), 2, "--at"},
		"usage: year 0, as a date":    {verifyBody, nil, given(hub, secret, []string{"--at", "0000-12-31T23:59:59Z"}), 2, "--at"},
		"usage: year 10000 by zone":   {verifyBody, nil, given(hub, secret, []string{"--at", "9999-12-31T23:59:59-01:00"}), 2, "--at"},
		"year 1":                      {verifyBody, nil, given(hub, secret, []string{"--at=-62135596800", "--json"}), 0, `"verified_at":"0001-01-01T00:00:00Z"`},
		"year 9999":                   {verifyBody, nil, given(hub, secret, []string{"--at", "253402300799", "--json"}), 0, `"verified_at":"9999-12-31T23:59:59Z"`},
		"usage: scheme":               {verifyBody, nil, given(hub, secret, []string{"--scheme", "morse"}), 2, "unknown signature scheme"},
		"usage: no secret":            {verifyBody, nil, hub, 2, "WEBHOOK_SECRET"},
		"usage: unknown flag":         {verifyBody, nil, []string{"--nope"}, 2, "nope"},
		"usage: words":                {verifyBody, nil, []string{"body.json"}, 2, "body.json"},
		"usage: header":               {verifyBody, nil, given(secret, []string{"--header", "no colon"}), 2, "'Name: value'"},
		"usage: time":                 {verifyBody, nil, given(secret, []string{"--at", "yesterday"}), 2, "--at"},
		"usage: tolerance":            {verifyBody, nil, given(secret, []string{"--tolerance", "-1s"}), 2, "--tolerance"},
		"usage: tolerance 0":          {verifyBody, nil, given(secret, []string{"--tolerance", "0s"}), 2, "--tolerance"},
		"usage: body file":            {verifyBody, nil, given(secret, []string{"--body", "/does/not/exist"}), 2, "--body"},
		"usage: request file":         {verifyBody, nil, given(secret, []string{"--request", "/does/not/exist"}), 2, "--request"},
		"usage: secret file":          {verifyBody, nil, []string{"--secret-file", "/does/not/exist"}, 2, "--secret-file"},
		"usage: empty secret file":    {verifyBody, nil, []string{"--secret-file", fileOf(t, "\n")}, 2, "empty"},
		"usage: secret variable":      {verifyBody, []string{"WEBHOOK_SECRET_FILE=/does/not/exist"}, nil, 2, "WEBHOOK_SECRET_FILE"},
		"usage: no request":           {"", nil, given(secret, []string{"--request", fileOf(t, verifyBody)}), 2, "first line"},
		"usage: no header":            {"", nil, given(secret, []string{"--request", fileOf(t, "POST / HTTP/1.1\nverifyme\n\n")}), 2, "line 2 is not a header"},
		"usage: length":               {"", nil, given(secret, []string{"--request", fileOf(t, captured(github, "\n", "Content-Length: many", verifyBody))}), 2, "Content-Length"},
		"usage: source and secret":    {verifyBody, nil, given(secret, []string{"--source", "default"}), 2, "--source"},
		"usage: no such source":       {verifyBody, nil, []string{"--source", "acme"}, 2, `no source "acme"`},
		"usage: source configuration": {verifyBody, []string{"RECEIVER_MAX_BODY=0"}, []string{"--source", "default"}, 2, "RECEIVER_MAX_BODY"},
		"usage: input twice":          {verifyBody, nil, given(secret, []string{"--request", "-", "--body", "-"}), 2, "standard input"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := runVerify(t, c.stdin, c.environ, c.args...)
			if got := exit(err); got != c.status {
				t.Errorf("status %d, want %d: %v", got, c.status, err)
			}
			said := out
			if c.status == service.ExitUsage && err != nil {
				said = err.Error()
			}
			if !strings.Contains(said, c.says) || strings.HasSuffix(c.says, "\n") && said != c.says {
				t.Errorf("it says %q, want %q", said, c.says)
			}
			if strings.Contains(said, verifySecret) {
				t.Errorf("it gives the secret away: %q", said)
			}
		})
	}
}

// TestProgram_verifySecret: without a secret that can be used, nothing is said of the request.
func TestProgram_verifySecret(t *testing.T) {
	t.Parallel()
	standard := slices.Clip(arguments(signedHeader(t, "standard", verifySecret, verifyBody)))
	github := slices.Clip(arguments(signedHeader(t, "github", verifySecret, verifyBody)))
	for name, args := range map[string][]string{
		"unusable":               append(standard, "--secret", "whsec_!", "--scheme", "standard"),
		"unusable, detected":     append(standard, "--secret", "whpk_AAAA"),
		"empty":                  append(github, "--secret", "", "--scheme", "github"),
		"empty, detected":        append(github, "--secret", ""),
		"one of two is empty":    append(github, "--secret", verifySecret, "--secret", ""),
		"one of two is unusable": append(standard, "--secret", verifySecret, "--secret", "whsec_!", "--scheme", "standard", "--at", "1700000003"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := runVerify(t, verifyBody, nil, slices.Concat(args, []string{"--explain"})...)
			if exit(err) != service.ExitUsage || !strings.HasPrefix(out, "invalid: ") || !strings.Contains(out, "  1. ") || !strings.Contains(out, "[secret_") {
				t.Errorf("%v: %q", err, out)
			}
			out, err = runVerify(t, verifyBody, nil, slices.Concat(args, []string{"--explain", "--json"})...)
			var got verify.Verdict
			if exit(err) != service.ExitUsage || json.Unmarshal([]byte(out), &got) != nil || got.Valid || len(got.Findings) == 0 {
				t.Errorf("%v: %q", err, out)
			}
		})
	}
}

// full is a device without space.
type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestProgram_verifyCannotAnswer(t *testing.T) {
	t.Parallel()
	for name, more := range map[string][]string{
		"valid": nil, "invalid": {"--body", "/dev/null"}, "JSON": {"--json"}, "unusable secret": {"--secret", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append(arguments(signedHeader(t, "github", verifySecret, verifyBody)), "--secret", verifySecret)
			program := command.Program{Args: append(append([]string{"verify"}, args...), more...), In: strings.NewReader(verifyBody), Out: full{}, Log: os.Stderr}
			err := program.Run(t.Context())
			if exit(err) != service.ExitUsage || !errors.Is(err, errFull) {
				t.Errorf("status %d: %v", exit(err), err)
			}
		})
	}
}

// TestProgram_verifyHost: the URL is made of the Host that --header gives.
func TestProgram_verifyHost(t *testing.T) {
	t.Parallel()
	signer, err := signature.NewSigner("square", verifySecret)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	if err := signer.Sign(signature.Outgoing{Method: "POST", URL: "https://public.example.com/webhook?a=1", Body: []byte(verifyBody)}, h); err != nil {
		t.Fatal(err)
	}
	args := []string{"--scheme", "square", "--secret", verifySecret, "--request", fileOf(t, captured(h, "\r\n", "", verifyBody))}
	for name, c := range map[string]struct {
		more   []string
		status int
	}{
		"of the file": {nil, 1},
		"replaced":    {[]string{"--header", "host: public.example.com"}, 0},
		"URL given":   {[]string{"--header", "Host: x", "--url", "https://public.example.com/webhook?a=1"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := runVerify(t, "", nil, slices.Concat(args, c.more)...)
			if exit(err) != c.status {
				t.Errorf("status %d, want %d: %q", exit(err), c.status, out)
			}
		})
	}
}

// TestProgram_verifyMethod: without a file, the method is POST.
func TestProgram_verifyMethod(t *testing.T) {
	t.Parallel()
	args := append(arguments(signedHeader(t, "hubspot", verifySecret, verifyBody)), "--scheme", "hubspot", "--secret", verifySecret, "--url", "https://h/", "--at", "1700000003")
	for method, status := range map[string]int{"": 0, "POST": 0, "PUT": 1} {
		more := slices.Clone(args)
		if method != "" {
			more = append(more, "--method", method)
		}
		if out, err := runVerify(t, verifyBody, nil, more...); exit(err) != status {
			t.Errorf("%q: status %d, want %d: %q", method, exit(err), status, out)
		}
	}
}

// TestProgram_verifyWouldRefuse: with --source, a valid request may be refused all the same.
func TestProgram_verifyWouldRefuse(t *testing.T) {
	t.Parallel()
	args := append(arguments(signedHeader(t, "github", verifySecret, verifyBody)), "--header", "Content-Type: text/plain")
	out, err := runVerify(t, verifyBody, []string{"WEBHOOK_SECRET=" + verifySecret}, append(args, "--source", "default")...)
	if exit(err) != 0 || !strings.HasPrefix(out, "valid: ") || !strings.Contains(out, "\nnote: the receiver would answer 415 all the same: ") {
		t.Errorf("%v: %q", err, out)
	}
	out, err = runVerify(t, verifyBody, nil, append(args, "--secret", verifySecret)...)
	if exit(err) != 0 || strings.Contains(out, "note:") {
		t.Errorf("%v: %q", err, out)
	}
}

func TestProgram_verifyJSON(t *testing.T) {
	t.Parallel()
	args := append(arguments(signedHeader(t, "standard", verifySecret, verifyBody)), "--json", "--explain", "--secret", verifySecret, "--at", "1700000003")
	out, err := runVerify(t, verifyBody, nil, args...)
	var got verify.Verdict
	if err != nil || json.Unmarshal([]byte(out), &got) != nil || strings.Count(out, "\n") != 1 {
		t.Fatalf("%q, %v", out, err)
	}
	if !got.Valid || got.Scheme != "standard" || got.Secret != 1 || got.ID != "msg_1" || !got.IDSigned || !got.SignedAt.Equal(verifyTime) {
		t.Errorf("%+v", got)
	}
	out, err = runVerify(t, verifyBody+"\n", nil, args...)
	got = verify.Verdict{}
	if exit(err) != 1 || json.Unmarshal([]byte(out), &got) != nil {
		t.Fatalf("%q, %v", out, err)
	}
	if got.Valid || got.Error == "" || len(got.Findings) != 1 || got.Findings[0].Cause != signature.CauseBodyTrailingNewline || strings.Contains(out, "signed_at") {
		t.Errorf("%s", out)
	}
}

func TestProgram_verifyHelp(t *testing.T) {
	t.Parallel()
	out, err := runVerify(t, "", nil, "--help")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"Examples:", "--explain", "--secret-file", "shell's history", "Exit status: 0 valid, 1 invalid, 2", "cannot be written", "WEBHOOK_SECRET_NEW"} {
		if !strings.Contains(out, word) {
			t.Errorf("the help does not mention %q", word)
		}
	}
}
