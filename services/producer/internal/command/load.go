package command

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	loading "example.com/signet/services/producer/internal/load"
	"example.com/signet/services/producer/internal/sample"
	"example.com/signet/services/producer/internal/terminal"
)

// loadFlags are the load to make, and where to report it.
type loadFlags struct {
	rate        float64
	duration    time.Duration
	connections int
	timeout     time.Duration
	payload     payloadFlags
	key         keyFlags
	unsigned    bool
	headers     []string
	insecure    bool
	plot        string
	json        bool
}

func newLoad(s Surroundings) *cobra.Command {
	var f loadFlags
	c := &cobra.Command{
		Use:   "load URL",
		Short: "Send signed webhooks at a constant rate, and measure how long they take",
		Long: `Send a receiver webhooks at a constant rate, each new and signed when it is sent, and report how long they took.

Latency is counted from when a request was due. When the receiver stalls, requests go on becoming due, and the time
they then wait for one of the --connections is part of it. In a payload of your own, {{id}}, {{time}} and {{ms}} stand for
what is new in each. Ctrl-C ends it early, with a report of what there is.

Exit status: 0 when every request was answered with success, 1 when one was not or it was interrupted, 2 when it was
called wrongly. Only load what is yours.`,
		Example: `  producer load http://localhost:8000/webhook --rate 200 --duration 30s --secret-file secret
  producer load https://staging.example.com/hook --rate 50 --duration 5m --connections 100 --plot report.html --secret-file secret
  producer load http://localhost:8000/webhook --rate 500 --duration 10s --payload '{"id":"{{id}}","type":"order.completed"}' --json
  docker run --rm --network host signet/producer load http://localhost:8000/webhook --rate 100 --duration 10s --secret "$SECRET"`,
		Args:              one("URL"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, args []string) error { return f.run(c, s, args[0]) },
	}
	flags := c.Flags()
	flags.Float64Var(&f.rate, "rate", 0, fmt.Sprintf("requests a second, up to %d; 0.5 is one every two seconds", loading.MaxRate))
	flags.DurationVar(&f.duration, "duration", 0, fmt.Sprintf("how long requests become due, up to %s", loading.MaxDuration))
	flags.IntVar(&f.connections, "connections", 50, fmt.Sprintf("how many requests may be on their way at once, up to %d", loading.MaxConnections))
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, fmt.Sprintf("how long a request may take once it is sent, up to %s", loading.MaxTimeout))
	f.payload.add(c, "the body of each, JSON in which {{id}}, {{time}} and {{ms}} are filled in (default one of our own)")
	f.key.add(c, currentFirst)
	flags.BoolVar(&f.unsigned, "unsigned", false, "do not sign")
	addHeader(c, &f.headers)
	flags.BoolVar(&f.insecure, "insecure", false, "take any TLS certificate")
	flags.StringVar(&f.plot, "plot", "", "draw latency by percentile and over time into this file, .svg or .html")
	flags.BoolVar(&f.json, "json", false, "print the result as JSON")
	_ = c.MarkFlagRequired("rate") // fails only for a flag that is not there
	_ = c.MarkFlagRequired("duration")
	c.MarkFlagsMutuallyExclusive("unsigned", "secret")
	c.MarkFlagsMutuallyExclusive("unsigned", "secret-file")
	c.MarkFlagsMutuallyExclusive("unsigned", "scheme")
	return c
}

func (f loadFlags) run(c *cobra.Command, s Surroundings, url string) error {
	plan, scheme, err := f.plan(s, url)
	if err != nil {
		return err
	}
	if err := f.checkPlot(); err != nil {
		return err
	}
	if terminal.Is(s.Err) {
		if _, err := fmt.Fprintf(s.Err, "sending %d requests in %s; Ctrl-C ends it early\n", plan.Requests(), plan.Duration); err != nil {
			return err
		}
	}
	result := loading.Run(c.Context(), plan)
	report := loadReport{Result: result, scheme: scheme}
	if f.json {
		err = report.json(s.Out)
	} else {
		err = report.text(s.Out, terminal.For(s.Out, s.Environ))
	}
	if err := errors.Join(err, f.draw(report)); err != nil {
		return err
	}
	if result.Failed() > 0 || result.Interrupted {
		return failed
	}
	return nil
}

// plan reads the flags. The scheme is empty when nothing is signed.
func (f loadFlags) plan(s Surroundings, url string) (p loading.Plan, scheme string, err error) {
	if err := errors.Join(checkURL(url, "URL"), f.check()); err != nil {
		return p, "", service.UsageError{Err: err}
	}
	header, err := parseHeaders(f.headers)
	if err != nil {
		return p, "", err
	}
	p = loading.Plan{
		URL: url, Rate: f.rate, Duration: f.duration, Connections: f.connections, Timeout: f.timeout,
		Header: header, UserAgent: "Signet/" + s.Version, Insecure: f.insecure,
	}
	text, from, err := f.payload.read(s, sample.Default)
	if err != nil {
		return p, "", err
	}
	if p.Template, err = sample.Parse(text); err != nil {
		return p, "", usage(from + " cannot be used: " + err.Error())
	}
	if f.unsigned {
		return p, "", nil
	}
	signing, err := f.key.required(s)
	if err != nil {
		return p, "", err
	}
	p.Signer = signing.signer
	now := time.Now()
	trial := signature.Outgoing{
		ID: "evt_1", Time: now, Method: http.MethodPost, URL: url, ContentType: contentType(header), Body: p.Template.Fill("evt_1", now),
	}
	if err := p.Signer.Sign(trial, http.Header{}); err != nil { // as every request would fail
		return p, "", usage("--scheme: " + err.Error())
	}
	return p, signing.scheme, nil
}

// check finds every flag that is out of its bounds.
func (f loadFlags) check() error {
	var faults []error
	if math.IsNaN(f.rate) || f.rate <= 0 || f.rate > loading.MaxRate {
		faults = append(faults, fmt.Errorf("--rate must be above 0 and at most %d", loading.MaxRate))
	}
	if f.duration <= 0 || f.duration > loading.MaxDuration {
		faults = append(faults, fmt.Errorf("--duration must be above 0 and at most %s", loading.MaxDuration))
	}
	if f.connections < 1 || f.connections > loading.MaxConnections {
		faults = append(faults, fmt.Errorf("--connections must be 1 to %d", loading.MaxConnections))
	}
	if f.timeout <= 0 || f.timeout > loading.MaxTimeout {
		faults = append(faults, fmt.Errorf("--timeout must be above 0 and at most %s", loading.MaxTimeout))
	}
	if len(faults) == 0 && f.rate*f.duration.Seconds() > loading.MaxRequests {
		faults = append(faults, fmt.Errorf("--rate and --duration together must be at most %d requests", loading.MaxRequests))
	}
	return errors.Join(faults...)
}

// checkPlot makes sure before the load that the picture can be written after it.
func (f loadFlags) checkPlot() error {
	if f.plot == "" {
		return nil
	}
	if kind := filepath.Ext(f.plot); kind != ".svg" && kind != ".html" {
		return usage("--plot must be a file that ends in .svg or .html")
	}
	file, err := os.Create(f.plot)
	if err != nil {
		return service.UsageError{Err: fmt.Errorf("--plot: %w", err)}
	}
	return file.Close()
}

func (f loadFlags) draw(report loadReport) error {
	if f.plot == "" {
		return nil
	}
	return writeFile(f.plot, func(to io.Writer) error {
		if filepath.Ext(f.plot) == ".svg" {
			return report.WriteSVG(to)
		}
		var summary strings.Builder
		if err := report.text(&summary, terminal.Palette{}); err != nil {
			return err
		}
		return report.WriteHTML(to, "Load of "+report.target(), summary.String())
	})
}

// writeFile makes or replaces a file.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
