package command

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/services/receiver/internal/config"
	"example.com/signet/services/receiver/internal/source"
	"example.com/signet/services/receiver/internal/verify"
)

// maxCapture is the most that is read of a file, in bytes.
const maxCapture = 256 << 20

// verifyFlags are one request, and what to verify it with.
type verifyFlags struct {
	scheme, source            string
	secrets, secretFiles      []string
	headers                   []string
	body, request             string
	method, url               string
	at                        string
	tolerance                 time.Duration
	explain, json             bool
	methodGiven, urlGiven     bool
	bodyGiven, toleranceGiven bool
}

func (p Program) newVerify() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify",
		Short: "Verify one captured request offline, and say why it does not verify",
		Long: `Verify the signature of one request, without a running receiver, and with --explain say why it does not verify:
another secret, a body that was parsed and written again, a lost newline, another URL, a clock that is off, and so on.

What is signed are the bytes of the body as they were sent. Give it those: no pretty-printing, no newline that an
editor adds, nothing decompressed. "printf %s" writes none, "echo" does.

Secrets come from --secret and --secret-file, or else from WEBHOOK_SECRET_NEW, WEBHOOK_SECRET and WEBHOOK_SECRET_OLD
(or the same with _FILE), all of which are tried. With --source they are those of that source, with its scheme and
tolerance, as the receiver would have them from this environment, and a note says when the receiver would refuse a
valid request all the same, for its size, its media type or its JSON. A request of last week is too old now: verify
it as of then with --at.

Exit status: 0 valid, 1 invalid, 2 neither, because it was called wrongly: a file cannot be read, a secret cannot be
used, or the answer cannot be written.`,
		Example: `  # a body and the headers that matter, the scheme found from them
  receiver verify --secret-file secret.txt --body body.json --header 'X-Hub-Signature-256: sha256=…' --explain

  # a whole request as it was captured, as of the time it was sent
  receiver verify --source github --request captured.http --at 2026-01-31T12:00:00Z --explain

  # a scheme that signs the public URL
  receiver verify --scheme NAME --request captured.http --url https://hooks.example.com/webhook/name

  # for scripts
  printf %s "$BODY" | receiver verify --header "X-Signature-256: $SIGNATURE" --json`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			changed := c.Flags().Changed
			f.methodGiven, f.urlGiven, f.bodyGiven, f.toleranceGiven = changed("method"), changed("url"), changed("body"), changed("tolerance")
			return p.verify(f)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.scheme, "scheme", "", "the signature scheme; by default found from the headers")
	flags.StringVar(&f.source, "source", "", "take scheme, secrets and tolerance of this source from the environment; the one at POST /webhook is called default")
	flags.StringArrayVar(&f.secrets, "secret", nil, "a secret; may be repeated. It lands in the shell's history and in the list of processes: prefer --secret-file or the environment")
	flags.StringArrayVar(&f.secretFiles, "secret-file", nil, "a file with a secret, less one newline at its end; may be repeated")
	flags.StringArrayVar(&f.headers, "header", nil, "a header of the request, 'Name: value'; may be repeated")
	flags.StringVar(&f.body, "body", "-", "the file with the body; - is standard input. With --request, its body is the default")
	flags.StringVar(&f.request, "request", "", "a file with a whole HTTP/1.1 request, head and body; --header, --body, --method and --url replace parts of it")
	flags.StringVar(&f.method, "method", http.MethodPost, "the request's method")
	flags.StringVar(&f.url, "url", "", "the public URL that the sender called, with its query, for schemes that sign it")
	flags.StringVar(&f.at, "at", "", "verify as of this time, RFC 3339 or Unix seconds (default now)")
	flags.DurationVar(&f.tolerance, "tolerance", 0, "how far the signed time may be off, either way (default the scheme's own)")
	flags.BoolVar(&f.explain, "explain", false, "say why the request does not verify")
	flags.BoolVar(&f.json, "json", false, "print the result as JSON")
	return c
}

// usageError marks an error as one of usage.
func usageError(err error) error { return service.UsageError{Err: err} }

func (p Program) verify(f verifyFlags) error {
	q := verify.Question{Explain: f.explain}
	var err error
	if q.At, err = f.time(); err != nil {
		return usageError(err)
	}
	spec, base, err := f.spec(p.Environ)
	if err != nil {
		return usageError(err)
	}
	q.Source = spec
	if q.Request, q.Notes, err = f.read(p.In, base); err != nil {
		return usageError(err)
	}
	verdict, err := verify.Ask(q)
	if err != nil {
		return usageError(err)
	}
	show := verdict.Print
	if f.json {
		show = verdict.PrintJSON
	}
	if err := show(p.Out); err != nil { // the status of an invalid request is for invalid requests
		return usageError(fmt.Errorf("the answer cannot be written: %w", err))
	}
	switch {
	case verdict.Valid:
		return nil
	case verdict.SecretUnusable():
		return Status(service.ExitUsage)
	}
	return Status(service.ExitFailure)
}

func (f verifyFlags) time() (time.Time, error) {
	if f.at == "" {
		return time.Now(), nil
	}
	at, err := time.Parse(time.RFC3339, f.at)
	if seconds, no := strconv.ParseInt(f.at, 10, 64); no == nil {
		at, err = time.Unix(seconds, 0), nil
	}
	if year := at.UTC().Year(); err != nil || year < 1 || year > 9999 { // RFC 3339 has no others to answer with
		return at, errors.New("--at must be a time such as 2026-01-31T12:00:00Z, or Unix seconds, of the years 1 to 9999")
	}
	return at, nil
}

// spec says what to verify with, and the base of the public URL where the environment has one.
func (f verifyFlags) spec(environ []string) (spec source.Spec, base string, err error) {
	if f.toleranceGiven && f.tolerance <= 0 {
		return spec, "", errors.New("--tolerance must be a duration above 0, such as 5m")
	}
	if f.source != "" {
		spec, base, err = f.sourceSpec(environ)
	} else {
		spec, err = f.givenSpec(environ)
	}
	if f.toleranceGiven {
		spec.Tolerance = f.tolerance
	}
	return spec, base, err
}

func (f verifyFlags) sourceSpec(environ []string) (source.Spec, string, error) {
	if f.scheme != "" || len(f.secrets)+len(f.secretFiles) > 0 {
		return source.Spec{}, "", errors.New("--source has its own scheme and secrets: leave out --scheme, --secret and --secret-file")
	}
	cfg, err := config.Load(environ)
	if err != nil {
		return source.Spec{}, "", fmt.Errorf("configuration:\n%w", err)
	}
	at := slices.IndexFunc(cfg.Sources, func(s source.Spec) bool { return s.Name == f.source })
	if at < 0 {
		return source.Spec{}, "", fmt.Errorf("the environment has no source %q: its secret is missing", f.source)
	}
	return cfg.Sources[at], cfg.PublicURL, nil
}

func (f verifyFlags) givenSpec(environ []string) (source.Spec, error) {
	spec := source.Spec{Secrets: slices.Clone(f.secrets)}
	if f.scheme != "" {
		spec.Schemes = []string{f.scheme}
	}
	for _, file := range f.secretFiles {
		secret, err := config.Secrets([]string{"WEBHOOK_SECRET_FILE=" + file})
		if err != nil {
			return spec, secretFileError(err)
		}
		if len(secret) == 0 {
			return spec, fmt.Errorf("--secret-file: %s is empty", file)
		}
		spec.Secrets = append(spec.Secrets, secret...)
	}
	if len(f.secrets)+len(f.secretFiles) > 0 {
		return spec, nil
	}
	secrets, err := config.Secrets(environ)
	if err == nil && len(secrets) == 0 {
		err = errors.New("no secret: use --secret-file, --source, or the environment variable WEBHOOK_SECRET")
	}
	spec.Secrets = secrets
	return spec, err
}

// secretFileError does without the name of a variable that the caller never set.
func secretFileError(err error) error {
	var faults service.Faults
	if errors.As(err, &faults) && len(faults) > 0 {
		return errors.New("--secret-file: " + faults[0].Problem)
	}
	return err
}

// read puts the request together.
func (f verifyFlags) read(in io.Reader, base string) (signature.Request, []string, error) {
	if f.request == "-" && f.bodyGiven && f.body == "-" {
		return signature.Request{}, nil, errors.New("--request and --body cannot both be standard input")
	}
	capture, err := f.capture(in)
	if err != nil {
		return signature.Request{}, nil, err
	}
	if err := replaceHeaders(capture.Header, f.headers); err != nil {
		return signature.Request{}, nil, err
	}
	request := capture.Request(base) // after the headers, for Host may be among them
	if f.request == "" || f.methodGiven {
		request.Method = f.method
	}
	if f.urlGiven {
		request.URL = f.url
	}
	if f.request != "" && !f.bodyGiven {
		return request, capture.Notes, nil
	}
	if request.Body, err = readFile(f.body, in); err != nil {
		err = fmt.Errorf("--body: %w", err)
	}
	return request, nil, err // notes were about the body that was replaced
}

// capture reads the request's file, where there is one.
func (f verifyFlags) capture(in io.Reader) (verify.Capture, error) {
	if f.request == "" {
		return verify.Capture{Header: http.Header{}}, nil
	}
	data, err := readFile(f.request, in)
	if err != nil {
		return verify.Capture{}, fmt.Errorf("--request: %w", err)
	}
	capture, err := verify.ParseCapture(data)
	if err != nil {
		return capture, fmt.Errorf("--request: %s is %w", f.request, err)
	}
	return capture, nil
}

// replaceHeaders puts given headers in the place of those of the same name.
func replaceHeaders(header http.Header, given []string) error {
	replaced := map[string]bool{}
	for _, line := range given {
		name, value, err := verify.ParseHeader(line)
		if err != nil {
			return errors.New("--header must be 'Name: value'")
		}
		name = http.CanonicalHeaderKey(name)
		if !replaced[name] {
			header.Del(name)
			replaced[name] = true
		}
		header.Add(name, value)
	}
	return nil
}

// readFile reads a file, or standard input.
func readFile(path string, in io.Reader) ([]byte, error) {
	if path == "-" {
		if in == nil {
			return nil, errors.New("there is no standard input")
		}
		return readAtMost("standard input", in)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := readAtMost(path, file)
	return data, errors.Join(err, file.Close())
}

func readAtMost(name string, from io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, maxCapture+1))
	if err == nil && len(data) > maxCapture {
		err = fmt.Errorf("%s is larger than %d MiB", name, maxCapture>>20)
	}
	return data, err
}
