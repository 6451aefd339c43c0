package relay

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"time"
)

const (
	walCheckpoint = 2048     // pages after which commits begin to move what they wrote into the database file
	walLimit      = 64 << 20 // bytes of the -wal file
	walCommits    = 8        // commits between two looks at its size
	walPatience   = 50 * time.Millisecond
	walPause      = time.Second // after an attempt in vain: writing stands still for a twentieth of the time at most
)

// walKeeper keeps the -wal file from growing without end. SQLite starts it anew only in a moment in which nobody reads
// from it, and beside callers who read all the time there may be none. So once it is too long the connection that writes
// waits until those who read have come to their end: whoever begins meanwhile reads from the database file. Only somebody
// who reads for longer than walPatience at a stretch can make it grow further, for as long as that lasts.
type walKeeper struct {
	path    string
	commits int
	failed  time.Time
}

// committed is called after each commit, on the connection that writes.
func (w *walKeeper) committed(ctx context.Context, conn *sql.Conn) {
	if w.commits++; w.commits%walCommits != 0 {
		return
	}
	info, err := os.Stat(w.path + "-wal")
	if err != nil || info.Size() <= walLimit || time.Since(w.failed) < walPause {
		return
	}
	if w.restart(ctx, conn) != nil { // the commit is on disk; what is wrong with the file comes up at the next one
		w.failed = time.Now()
	}
}

func (w *walKeeper) restart(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", walPatience.Milliseconds())); err != nil {
		return err
	}
	var busy, frames, moved int
	err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
	if err == nil && busy != 0 {
		err = fmt.Errorf("somebody reads for longer than %v", walPatience)
	}
	if _, failed := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busyTimeout.Milliseconds())); failed != nil {
		return failed
	}
	return err
}
