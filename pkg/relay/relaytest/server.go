package relaytest

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// Server is a PostgreSQL server for one test, which may stop it and start it again.
type Server struct {
	URL string // of an empty database

	t       testing.TB
	process *process
	admin   string
	down    bool
}

// PrivateServer starts a server as [Postgres] does, for this test alone. SIGNET_TEST_POSTGRES_URL counts for nothing
// here.
func PrivateServer(t testing.TB) *Server {
	t.Helper()
	p, admin, err := launch()
	if err != nil {
		missing(t, err)
	}
	s := &Server{t: t, process: p, admin: admin, URL: admin}
	t.Cleanup(func() {
		if s.down { // it has ended already
			err = p.remove()
		} else {
			err = p.stop()
		}
		if err != nil {
			t.Error("stop PostgreSQL:", err)
		}
	})
	return s
}

// Stop stops the server: it ends what is running and then itself ("fast").
func (s *Server) Stop() { s.stop(syscall.SIGINT) }

// Crash stops the server at once, without a checkpoint: it has to recover when it starts ("immediate").
func (s *Server) Crash() { s.stop(syscall.SIGQUIT) }

func (s *Server) stop(signal os.Signal) {
	s.t.Helper()
	if err := s.process.end(signal); err != nil {
		s.t.Fatal("stop PostgreSQL:", err)
	}
	s.down = true
}

// Start starts the server again, and returns when it answers.
func (s *Server) Start() {
	s.t.Helper()
	s.down = false
	if err := errors.Join(s.process.run(), s.process.ready(s.admin)); err != nil {
		s.t.Fatal("start PostgreSQL:", err)
	}
}

// missing ends a test for which there is no PostgreSQL.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("REQUIRE_POSTGRES") == "1" || os.Getenv("REQUIRE_DOCKER") == "1" {
		t.Fatal("no PostgreSQL for this test:", err)
	}
	t.Skip("*** NOT TESTED ON POSTGRESQL: there is none here. ***", err)
}
