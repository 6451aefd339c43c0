// Command bench measures Signet beside the least that somebody could write by hand, on one machine, in one run:
// the services as processes of their own, and the bare things as others.
//
// Every figure that depends on the machine's speed is a ratio between two measurements of the same round. It
// sends to loopback only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.com/signet/deploy/bench/internal/bare"
	"example.com/signet/deploy/bench/internal/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run of the benchmarks.
type bench struct {
	dir, self   string
	source      string
	postgres    string
	logLevel    string
	rounds      int
	connections int
	workers     int
	rate        int
	seed        uint64
	warmUp      time.Duration
	duration    time.Duration
	events      int64
	backlog     int64
	waiting     int64
	stored      int64
	sustained   time.Duration
	only        string
	json        bool
	plot        string
	pprof       string

	report    *report.Report
	current   string // the benchmark that runs
	started   int64  // when this run began, in Unix seconds
	databases int    // made on PostgreSQL
	profiles  int
	profiling sync.WaitGroup
}

func run(ctx context.Context, args []string) error {
	if len(args) >= 3 && args[0] == "role" {
		return role(ctx, args[1], args[2], args[3:])
	}
	b := &bench{report: report.New(report.ThisMachine(), budgets), started: time.Now().Unix()}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&b.source, "source", "../..", "the checkout whose services are measured")
	f.StringVar(&b.postgres, "postgres", "", "URL of a PostgreSQL server on which databases may be made, to measure on it too; they are left there")
	f.StringVar(&b.logLevel, "log-level", "warn", "the services' log level")
	f.IntVar(&b.rounds, "rounds", 3, "rounds, of which the median counts")
	f.IntVar(&b.connections, "connections", 128, "connections to the receiver")
	f.IntVar(&b.workers, "workers", 32, "senders of the bare loop, and deliveries at once of the producer")
	f.IntVar(&b.rate, "rate", 200, "events a second while latency is measured")
	f.Uint64Var(&b.seed, "seed", 1, "seed of the events' bodies")
	f.DurationVar(&b.warmUp, "warm-up", 2*time.Second, "time before anything is counted")
	f.DurationVar(&b.duration, "duration", 5*time.Second, "time that is counted, where time is what ends a round")
	f.Int64Var(&b.events, "events", 60_000, "events, where their number is what ends a round")
	f.Int64Var(&b.backlog, "backlog", 200_000, "deliveries to drain")
	f.Int64Var(&b.waiting, "pending", 1_000_000, "deliveries that wait while memory is measured")
	f.Int64Var(&b.stored, "stored", 5_000_000, "messages that are stored already, for the benchmark of that name")
	f.DurationVar(&b.sustained, "sustained", 30*time.Second, "how long ingest goes on, for the benchmark of that name")
	f.StringVar(&b.only, "only", "", "names of benchmarks, separated by commas: "+strings.Join(names(), ", "))
	f.BoolVar(&b.json, "json", false, "print JSON")
	f.StringVar(&b.plot, "plot", "", "file for a plot of throughput and latency over connections (SVG)")
	f.StringVar(&b.pprof, "pprof", "", "directory for CPU profiles of the services")
	if err := f.Parse(args); err != nil {
		return err
	}
	return b.run(ctx)
}

// role runs one of the bare things in this process, which the benchmarks started for that.
func role(ctx context.Context, name, addr string, args []string) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	switch name {
	case "ingest":
		return bare.Ingest(l, secret)
	case "sink":
		return bare.Sink(l)
	case "inbox", "inbox-applying":
		if len(args) == 1 {
			return bare.Inbox(ctx, l, secret, args[0], name == "inbox-applying")
		}
	}
	return fmt.Errorf("no role is called %q", name)
}

// benchmark is one thing to measure, in each round.
type benchmark struct {
	name   string
	run    func(b *bench, ctx context.Context, round int, database string) error
	once   bool // too long to be repeated
	sqlite bool // only there
}

func benchmarks() []benchmark {
	return []benchmark{
		{name: "start", run: (*bench).startUp},
		{name: "ingest", run: (*bench).ingest},
		{name: "processed", run: (*bench).processed},
		{name: "by-hand", run: (*bench).byHand},
		{name: "publish", run: (*bench).publish},
		{name: "drain", run: (*bench).drain},
		{name: "latency", run: (*bench).latency},
		{name: "sustained", run: (*bench).lasting, once: true},
		{name: "pending", run: (*bench).pending, once: true},
		{name: "stored", run: (*bench).amongStored, once: true, sqlite: true},
	}
}

func names() []string {
	var all []string
	for _, one := range benchmarks() {
		all = append(all, one.name)
	}
	return all
}

func (b *bench) run(ctx context.Context) error {
	chosen, err := b.chosen()
	if err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "signet-bench"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	defer b.profiling.Wait()
	if err := b.build(ctx); err != nil {
		return err
	}
	databases := []string{""}
	if b.postgres != "" {
		databases = append(databases, b.postgres)
	}
	for round := range b.rounds {
		for _, one := range chosen {
			for _, database := range databases {
				if one.once && round > 0 || one.sqlite && database != "" {
					continue
				}
				fmt.Fprintf(os.Stderr, "round %d of %d: %s %s\n", round+1, b.rounds, one.name, engineOf(database))
				b.current = one.name
				if err := one.run(b, ctx, round, database); err != nil {
					return fmt.Errorf("%s %s: %w", one.name, engineOf(database), err)
				}
			}
		}
	}
	if b.plot != "" {
		if err := b.sweep(ctx); err != nil {
			return err
		}
	}
	if b.json {
		return b.report.JSON(os.Stdout)
	}
	return b.report.Table(os.Stdout)
}

func (b *bench) chosen() ([]benchmark, error) {
	all := benchmarks()
	if b.only == "" {
		return all, nil
	}
	wanted := strings.Split(b.only, ",")
	for _, name := range wanted {
		if !slices.Contains(names(), name) {
			return nil, errors.New("-only: " + name + " is none of " + strings.Join(names(), ", "))
		}
	}
	return slices.DeleteFunc(all, func(one benchmark) bool { return !slices.Contains(wanted, one.name) }), nil
}

// build compiles the services as their images do.
func (b *bench) build(ctx context.Context) error {
	for _, name := range []string{"receiver", "producer"} {
		c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(b.dir, name), ".")
		c.Dir = filepath.Join(b.source, "services", name)
		c.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

// engineOf names the engine behind a database URL.
func engineOf(database string) string {
	if database == "" {
		return "(SQLite)"
	}
	return "(PostgreSQL)"
}
