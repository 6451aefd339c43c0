package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

// byHand compares what somebody could write by hand, to keep what it answers for, with the handler that only checks the HMAC.
// It is no budget: it says what being durable costs on this machine, without anything else that the services do.
func (b *bench) byHand(ctx context.Context, round int, database string) error {
	bare, err := b.bareIngest(ctx, round)
	if err != nil {
		return err
	}
	for _, one := range []struct{ role, name string }{
		{"inbox", "ingest by hand "}, {"inbox-applying", "accepted and processed by hand "},
	} {
		rate, err := b.inbox(ctx, one.role, round, database)
		if err != nil {
			return fmt.Errorf("%s: %w", one.role, err)
		}
		b.report.Ratio(one.name+engineOf(database), rate, bare, "requests/s")
	}
	return nil
}

// inbox measures one of them, and looks whether it has kept what it says.
func (b *bench) inbox(ctx context.Context, role string, round int, database string) (rate float64, err error) {
	if database, err = b.newDatabase(ctx, database); err != nil {
		return 0, err
	}
	if database == "" {
		dir, failed := os.MkdirTemp(b.dir, role)
		if failed != nil {
			return 0, failed
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		database = filepath.Join(dir, "inbox.db")
	}
	s, err := b.startRole(ctx, role, database)
	if err != nil {
		return 0, err
	}
	defer s.Kill()
	result, err := b.closed(ctx, s.addr, fmt.Sprintf("e%02x", round))
	if err != nil {
		return 0, err
	}
	kept, err := count(ctx, "http://"+s.addr+"/count")
	if err == nil && kept < result.All {
		err = fmt.Errorf("%d requests were acknowledged, but only %d messages are stored", result.All, kept)
	}
	return result.Rate(), err
}

// count reads a number that a bare service answers.
func count(ctx context.Context, url string) (int64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(text), 10, 64)
}
