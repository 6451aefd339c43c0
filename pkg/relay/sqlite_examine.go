package relay

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// examine looks at a database's files before anything is changed in them: it refuses another application's database,
// and a log of which a part is lost. The file is locked by now, and nobody else has it open.
func examine(ctx context.Context, path string) error {
	if err := examineLog(path); err != nil {
		return err
	}
	return examineTables(ctx, path)
}

// examineTables refuses a database that holds something, but not the engine's own tables.
func examineTables(ctx context.Context, path string) (err error) {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return err
	}
	db, err := openReaders(path, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var objects, ours int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&objects); err != nil || objects == 0 {
		return err
	}
	err = db.QueryRowContext(ctx, countMigration, "relay", "0001_log.sql").Scan(&ours)
	if ours == 0 { // an error here is a missing table or column
		return errors.Join(errors.New("it is another application's database: it has tables, but not ours"), err)
	}
	return nil
}

// SQLite takes a log (https://www.sqlite.org/fileformat2.html#walformat) to end before its first damaged frame, because
// that is how a log looks whose last write was cut off. What comes after it is dropped without a word. So what is
// dropped must not have been committed: a frame is written only after the commits before it were synced, and the
// index beside the log, when the process but not the machine has died, tells how far it was committed.
const (
	logHeader   = 32
	frameHeader = 24
	logMagic    = 0x377f0682 // its lowest bit: checksums are made of big-endian words

	indexFrames = 16 // where the index has the number of committed frames,
	indexSalt   = 32 // and the salt of their log
	indexHeader = 48 // its header, which is there twice; then comes how many frames the database's file has
)

// logFile is a log that is being read.
type logFile struct {
	header [logHeader]byte
	page   int
	order  binary.ByteOrder
	sum    [2]uint32
}

// examineLog fails when committed frames of the log are missing or damaged.
func examineLog(path string) error {
	f, err := os.Open(path + "-wal")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	whole, lost := 0, false
	var l logFile
	if err == nil {
		defer f.Close()
		if whole, lost, err = l.read(f); err != nil {
			return fmt.Errorf("read %s-wal: %w", path, err)
		}
	}
	if lost || whole < l.committed(path+"-shm") {
		return fmt.Errorf("%s-wal is damaged: only the first %d of its frames can be read, and what was committed after them would be lost. "+
			"Restore a copy, or accept the loss with: sqlite3 %s 'PRAGMA wal_checkpoint(TRUNCATE)'", path, whole, path)
	}
	return nil
}

// read counts the frames before the first damaged one, and says whether any are certainly lost.
func (l *logFile) read(f io.Reader) (whole int, lost bool, err error) {
	n, err := io.ReadFull(f, l.header[:])
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), err == nil && l.header == [logHeader]byte{}: // it had just been made
		return 0, false, nil
	case err != nil:
		return n, false, err
	case !l.readHeader():
		return 0, true, nil
	}
	return l.readFrames(f)
}

// readHeader says whether the header is in order.
func (l *logFile) readHeader() bool {
	magic := binary.BigEndian.Uint32(l.header[0:])
	l.page = int(binary.BigEndian.Uint32(l.header[8:]))
	if magic&^1 != logMagic || l.page < 512 || l.page > 65536 || l.page&(l.page-1) != 0 {
		return false
	}
	l.order = binary.LittleEndian
	if magic&1 == 1 {
		l.order = binary.BigEndian
	}
	l.add(l.header[:24])
	return l.sumIs(l.header[24:])
}

// add takes bytes into the checksum.
func (l *logFile) add(b []byte) {
	s0, s1 := l.sum[0], l.sum[1]
	for ; len(b) >= 8; b = b[8:] {
		s0 += l.order.Uint32(b) + s1
		s1 += l.order.Uint32(b[4:]) + s0
	}
	l.sum = [2]uint32{s0, s1}
}

func (l *logFile) sumIs(b []byte) bool {
	return l.sum == [2]uint32{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}
}

// readFrames counts the frames before the first damaged one. lost: after that one there is a whole commit of the same
// log, and then something that was written after it.
func (l *logFile) readFrames(f io.Reader) (whole int, lost bool, err error) {
	frame := make([]byte, frameHeader+l.page)
	damaged, commit := false, false
	for {
		if _, err := io.ReadFull(f, frame); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return whole, false, nil
		} else if err != nil {
			return whole, false, err
		}
		ours := bytes.Equal(frame[8:16], l.header[16:24])
		if !damaged {
			l.add(frame[:8])
			l.add(frame[frameHeader:])
			damaged = !ours || !l.sumIs(frame[16:])
		}
		if !damaged {
			whole++
			continue
		}
		if ours && commit {
			return whole, true, nil
		}
		commit = commit || ours && binary.BigEndian.Uint32(frame[4:]) != 0
	}
}

// committed is how many frames were committed that the database's file does not have yet, as far as the index tells;
// 0: it tells nothing. An index is of one log only, and that has its salt; one that is gone has none.
func (l *logFile) committed(index string) int {
	f, err := os.Open(index)
	if err != nil {
		return 0
	}
	defer f.Close()
	var b [2*indexHeader + 4]byte
	if _, err := io.ReadFull(f, b[:]); err != nil || !bytes.Equal(b[:indexHeader], b[indexHeader:2*indexHeader]) {
		return 0
	}
	if salt := l.header[16:24]; !bytes.Equal(salt, make([]byte, 8)) && !bytes.Equal(b[indexSalt:indexSalt+8], salt) {
		return 0
	}
	committed, copied := binary.NativeEndian.Uint32(b[indexFrames:]), binary.NativeEndian.Uint32(b[2*indexHeader:])
	if copied >= committed {
		return 0
	}
	return int(committed)
}
