// Package relaytest gives tests a PostgreSQL of their own.
//
// [Postgres] answers the URL of an empty database. Its server is the one that SIGNET_TEST_POSTGRES_URL names; or else
// one that is started from the installed binaries (in PATH, or /usr/lib/postgresql/*/bin), with its data in a
// temporary folder; or else one that `docker run` starts from $POSTGRES_IMAGE (postgres:18). Where there is none of
// these the test is skipped, or fails when REQUIRE_POSTGRES=1 or REQUIRE_DOCKER=1. A server that was started is one for
// the whole test binary, is stopped by [Main], and ends with the process should that be killed.
//
// The settings of the servers that are started are PostgreSQL's own: commits wait for the disk.
package relaytest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// testingM is *testing.M.
type testingM interface{ Run() int }

// Main wraps the *testing.M of a package that uses [Postgres]: its Run stops the server after the tests. Hand it to
// goleak.VerifyTestMain, or call its Run.
type Main struct{ M testingM }

// Run runs the tests and then stops the server that they had started, if any.
func (m Main) Run() int {
	code := m.M.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "relaytest: stop PostgreSQL:", err)
		return max(code, 1)
	}
	return code
}

// shared is the server of this test binary.
var shared server

// server is a PostgreSQL that is started when the first test asks for it.
type server struct {
	mu      sync.Mutex
	tried   bool
	url     string // of its database for administration
	err     error
	process *process // nil: somebody else's
}

func (s *server) start() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tried {
		s.tried = true
		if s.url = os.Getenv("SIGNET_TEST_POSTGRES_URL"); s.url == "" {
			s.process, s.url, s.err = launch()
		}
	}
	return s.url, s.err
}

func (s *server) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return nil
	}
	return s.process.stop()
}

// Postgres answers the URL of a new, empty database, which is dropped when the test is over.
func Postgres(t testing.TB) string {
	t.Helper()
	admin, err := shared.start()
	if err != nil {
		missing(t, err)
	}
	name := "relaytest_" + strings.ToLower(rand.Text())
	execute(t, admin, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8'")
	t.Cleanup(func() { execute(t, admin, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// adminTime bounds one statement of administration; creating a database copies a template on a busy disk.
const adminTime = time.Minute

func execute(t testing.TB, admin, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), adminTime)
	defer cancel()
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Error(err)
	}
}
