package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/service"
	"example.com/signet/services/producer/internal/doctor"
	"example.com/signet/services/producer/internal/sample"
	"example.com/signet/services/producer/internal/terminal"
)

// doctorFlags are whom to examine, and where to report it.
type doctorFlags struct {
	key        keyFlags
	oldSecret  string
	payload    payloadFlags
	headers    []string
	publicURL  string
	tolerance  time.Duration
	oversize   string
	timeout    time.Duration
	slowLimit  time.Duration
	insecure   bool
	only, skip []string
	junit      string
	json       bool
}

func newDoctor(s Surroundings) *cobra.Command {
	var f doctorFlags
	c := &cobra.Command{
		Use:   "doctor URL",
		Short: "Find out whether a receiver takes what it must, and refuses what it must not",
		Long: `Send a receiver genuine webhooks and every kind of wrong one, and report which of them it handles rightly: changed,
expired, repeated, signed with another secret or not at all, too large, too slow, and so on. Each case that fails says
what is wrong and what it means for security. A case that cannot apply to the scheme says why.

That a receiver recognised a repeated event shows in its answer: "duplicate":true, the same "id" as before, 208, or (for a
replay) a refusal. One that drops repetitions without a word fails those cases: --skip them, or let it say so.

It takes as long as the receiver takes to cut a slow sender off, at most --slow-limit. Events that the receiver takes
are of type signet.sample, unless --payload says otherwise, in which {{id}}, {{time}} and {{ms}} stand for what is new in
each. Exit status: 0 all that applies is right, 1 some case is not, 2 called wrongly. Only examine what is yours.

Cases: ` + strings.Join(doctor.Cases(), ", ") + `.`,
		Example: `  producer doctor http://localhost:8000/webhook --secret-file secret
  producer doctor https://staging.example.com/stripe --scheme stripe --secret-file secret --junit doctor.xml
  producer doctor http://localhost:8000/webhook --secret-file new --secret-file old --skip oversized,slow-body --json
  docker run --rm --network host signet/producer doctor http://localhost:8000/webhook --secret "$SECRET"`,
		Args:              one("URL"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, args []string) error { return f.run(c, s, args[0]) },
	}
	f.key.add(c, "a second one is the old one during a rotation")
	flags := c.Flags()
	flags.StringVar(&f.oldSecret, "old-secret", "", "the receiver's old secret during a rotation")
	f.payload.add(c, "the event, JSON in which {{id}} must stand (default one of our own)")
	addHeader(c, &f.headers)
	flags.StringVar(&f.publicURL, "public-url", "", "the URL that the receiver is known by, for schemes that sign it (default URL)")
	flags.DurationVar(&f.tolerance, "tolerance", 0, "how far the receiver lets a signed time be off (default the scheme's)")
	flags.StringVar(&f.oversize, "oversize", "32MiB", "how large a body must be refused: bytes, KiB or MiB")
	flags.DurationVar(&f.timeout, "timeout", doctor.DefaultTimeout, "how long the receiver may take to answer")
	flags.DurationVar(&f.slowLimit, "slow-limit", doctor.DefaultSlowLimit, "by when a body that never ends must be cut off")
	flags.BoolVar(&f.insecure, "insecure", false, "take any TLS certificate")
	flags.StringSliceVar(&f.only, "only", nil, "these cases, with commas between")
	flags.StringSliceVar(&f.skip, "skip", nil, "all but these cases")
	flags.StringVar(&f.junit, "junit", "", "write a report in JUnit's XML to this file")
	flags.BoolVar(&f.json, "json", false, "print the report as JSON")
	for _, name := range []string{"only", "skip"} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(doctor.Cases(), cobra.ShellCompDirectiveNoFileComp))
	}
	return c
}

func (f doctorFlags) run(c *cobra.Command, s Surroundings, url string) error {
	cfg, err := f.config(s, url)
	if err != nil {
		return err
	}
	if f.junit != "" { // rather now than after half a minute
		if err := writeFile(f.junit, func(io.Writer) error { return nil }); err != nil {
			return service.UsageError{Err: fmt.Errorf("--junit: %w", err)}
		}
	}
	var printing error
	table := doctorTable{s.Out, terminal.For(s.Out, s.Environ)}
	report, err := doctor.Run(c.Context(), cfg, func(found doctor.Finding) {
		if !f.json {
			printing = errors.Join(printing, table.row(found))
		}
	})
	if err != nil {
		return service.UsageError{Err: err}
	}
	if f.json {
		printing = writeDoctorJSON(s.Out, report)
	} else {
		printing = errors.Join(printing, table.sum(report))
	}
	if f.junit != "" {
		printing = errors.Join(printing, writeFile(f.junit, report.WriteJUnit))
	}
	if printing != nil {
		return printing
	}
	if !report.Healthy() {
		return failed
	}
	return nil
}

func (f doctorFlags) config(s Surroundings, url string) (doctor.Config, error) {
	cfg := doctor.Config{
		URL: url, PublicURL: f.publicURL, Tolerance: f.tolerance, Timeout: f.timeout, SlowLimit: f.slowLimit,
		UserAgent: "Signet/" + s.Version, Insecure: f.insecure, Only: f.only, Skip: f.skip,
	}
	var err error
	if cfg.Oversize, err = parseSize(f.oversize); err != nil {
		return cfg, err
	}
	if err := errors.Join(checkURL(url, "URL"), checkURL(cmp.Or(f.publicURL, url), "--public-url"), f.check()); err != nil {
		return cfg, service.UsageError{Err: err}
	}
	if cfg.Header, err = parseHeaders(f.headers); err != nil {
		return cfg, err
	}
	text, from, err := f.payload.read(s, sample.Default)
	if err != nil {
		return cfg, err
	}
	if cfg.Template, err = sample.Parse(text); err != nil {
		return cfg, usage(from + " cannot be used: " + err.Error())
	}
	if !cfg.Template.Identifies() {
		return cfg, usage(from + " must have {{id}} in it, so that each case is an event of its own")
	}
	if len(text) > cfg.Oversize/2 {
		return cfg, usage("--oversize must be more than twice the payload")
	}
	signing, err := f.key.required(s)
	if err != nil {
		return cfg, err
	}
	secrets := signing.keys.secrets()
	cfg.Scheme, cfg.Secret, cfg.OldSecret = signing.scheme, secrets[0], f.oldSecret
	switch {
	case len(secrets) > 2 || len(secrets) == 2 && f.oldSecret != "":
		return cfg, usage("--secret: there can be two, the current one and the old one")
	case len(secrets) == 2:
		cfg.OldSecret = secrets[1]
	}
	return cfg, nil
}

// check finds every flag that is out of its bounds.
func (f doctorFlags) check() error {
	var faults []error
	if f.tolerance < 0 || f.tolerance > doctor.MaxTolerance {
		faults = append(faults, fmt.Errorf("--tolerance must not be negative, and at most %s", doctor.MaxTolerance))
	}
	if f.timeout <= 0 || f.timeout > doctor.MaxTimeout {
		faults = append(faults, fmt.Errorf("--timeout must be above 0 and at most %s", doctor.MaxTimeout))
	}
	if f.slowLimit <= 0 || f.slowLimit > doctor.MaxSlowLimit {
		faults = append(faults, fmt.Errorf("--slow-limit must be above 0 and at most %s", doctor.MaxSlowLimit))
	}
	for _, given := range []struct {
		flag  string
		names []string
	}{{"--only", f.only}, {"--skip", f.skip}} {
		for _, name := range given.names {
			if !slices.Contains(doctor.Cases(), name) {
				faults = append(faults, fmt.Errorf("%s: there is no case %q, only %s", given.flag, name, strings.Join(doctor.Cases(), ", ")))
			}
		}
	}
	left := slices.DeleteFunc(doctor.Cases(), func(name string) bool {
		return slices.Contains(f.skip, name) || len(f.only) > 0 && !slices.Contains(f.only, name)
	})
	if len(left) == 0 && len(faults) == 0 {
		faults = append(faults, errors.New("--only and --skip leave no case"))
	}
	return errors.Join(faults...)
}

// parseSize reads --oversize.
func parseSize(text string) (int, error) {
	digits, unit := text, 1
	for suffix, factor := range map[string]int{"KiB": 1 << 10, "MiB": 1 << 20} {
		if cut, found := strings.CutSuffix(text, suffix); found {
			digits, unit = cut, factor
		}
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > doctor.MaxOversize || n*unit < doctor.MinOversize || n*unit > doctor.MaxOversize {
		return 0, usage("--oversize must be 4KiB to 256MiB")
	}
	return n * unit, nil
}

// doctorTable prints findings as they come.
type doctorTable struct {
	to      io.Writer
	palette terminal.Palette
}

func (t doctorTable) row(f doctor.Finding) error {
	word, colour, what := "ok", terminal.Green, f.Title+": "+f.Detail
	switch f.Outcome {
	case doctor.Failed:
		word, colour, what = "FAILED", terminal.Red, f.Detail
	case doctor.Unknown:
		word, colour = "?", terminal.Yellow
	case doctor.NotApplicable:
		word, colour, what = "-", terminal.Grey, "not applicable: "+f.Detail
	case doctor.Passed:
	}
	_, err := fmt.Fprintf(t.to, "%s %-18s %s\n", t.palette.Paint(colour, fmt.Sprintf("%-6s", word)), f.Case, what)
	return err
}

func (t doctorTable) sum(r doctor.Report) error {
	_, err := fmt.Fprintf(t.to, "\n%s (%s): %d right, %d wrong, %d unknown, %d not applicable\n",
		r.URL, r.Scheme, r.Count(doctor.Passed), r.Count(doctor.Failed), r.Count(doctor.Unknown), r.Count(doctor.NotApplicable))
	return err
}

func writeDoctorJSON(to io.Writer, r doctor.Report) error {
	type finding struct {
		Case    string         `json:"case"`
		Title   string         `json:"title"`
		Outcome doctor.Outcome `json:"outcome"`
		Detail  string         `json:"detail"`
		TookMS  float64        `json:"took_ms"`
	}
	findings := make([]finding, len(r.Findings))
	for i, f := range r.Findings {
		findings[i] = finding{f.Case, f.Title, f.Outcome, f.Detail, milliseconds(f.Took)}
	}
	return printJSON(to, struct {
		URL           string    `json:"url"`
		Scheme        string    `json:"scheme"`
		Healthy       bool      `json:"healthy"`
		Passed        int       `json:"passed"`
		Failed        int       `json:"failed"`
		Unknown       int       `json:"unknown"`
		NotApplicable int       `json:"not_applicable"`
		TookMS        float64   `json:"took_ms"`
		Findings      []finding `json:"findings"`
	}{
		r.URL, r.Scheme, r.Healthy(), r.Count(doctor.Passed), r.Count(doctor.Failed), r.Count(doctor.Unknown),
		r.Count(doctor.NotApplicable), milliseconds(r.Took), findings,
	})
}
