package relaytest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/signet/pkg/relay/relaytest"
)

func TestMain(m *testing.M) { os.Exit(relaytest.Main{M: m}.Run()) }

func TestPostgres_EachTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	first, second := relaytest.Postgres(t), relaytest.Postgres(t)
	for _, url := range []string{first, second} {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := conn.Exec(t.Context(), `CREATE TABLE mine (n BIGINT)`); err != nil {
			t.Error(err)
		}
		var sync string
		if err := conn.QueryRow(t.Context(), `SELECT current_setting('fsync')`).Scan(&sync); err != nil || sync != "on" {
			t.Errorf("fsync is %s, %v", sync, err)
		}
	}
}

// TestPostgres_TheServerEndsWithItsProcess kills a test binary and looks for the server it had started.
func TestPostgres_TheServerEndsWithItsProcess(t *testing.T) {
	if os.Getenv("SIGNET_TEST_POSTGRES_URL") != "" {
		t.Skip("the server is somebody else's")
	}
	const asked = "RELAYTEST_KILL_ME"
	if os.Getenv(asked) == "1" {
		fmt.Println(relaytest.Postgres(t))
		<-t.Context().Done()
		return
	}
	relaytest.Postgres(t)                     // or skip
	dir, err := os.MkdirTemp("", "relaytest") // what is killed leaves its data behind
	if err == nil {
		err = os.Chmod(dir, 0o755) // the server may run as somebody else
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), asked+"=1", "TMPDIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("it did not start:", cmd.Wait())
	}
	url := lines.Text()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	for deadline := time.Now().Add(20 * time.Second); answers(t, url) || os.RemoveAll(dir) != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the server outlived its process")
		}
		<-time.After(50 * time.Millisecond)
	}
}

func answers(t *testing.T, url string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return false
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Log(err)
	}
	return true
}
