package relaytest

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"
)

// Disk is a small file system of its own, to be filled.
type Disk struct {
	Dir string
	t   testing.TB
}

// SmallDisk mounts a file system of size bytes until the test ends. Where this process may not mount, the test is
// skipped.
func SmallDisk(t testing.TB, size string) *Disk {
	t.Helper()
	d := &Disk{Dir: t.TempDir(), t: t}
	if err := syscall.Mount("tmpfs", d.Dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		t.Skip("*** NOT TESTED ON A FULL DISK: a small one cannot be mounted here. ***", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.Dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Fill leaves no room on the disk.
func (d *Disk) Fill() {
	d.t.Helper()
	f, err := os.OpenFile(d.filler(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
}

// Clear undoes Fill.
func (d *Disk) Clear() {
	d.t.Helper()
	if err := os.Remove(d.filler()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *Disk) filler() string { return filepath.Join(d.Dir, "filler") }

// The file flags of Linux: https://man7.org/linux/man-pages/man2/FS_IOC_SETFLAGS.2const.html
const (
	getFlags  = 0x80086601
	setFlags  = 0x40086602
	immutable = 0x10
)

// Immutable makes files and folders refuse every change, as a disk does that has become read-only, until it is undone
// or the test ends. Those that are open refuse it too. (A file that is mapped into memory, as SQLite's -shm is, would end
// the process at its next change.) Where that cannot be done the test is skipped.
func Immutable(t testing.TB, paths ...string) (undo func()) {
	t.Helper()
	undo = func() {
		for _, path := range paths {
			if err := changeFlags(path, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Error(err)
			}
		}
	}
	t.Cleanup(undo)
	for _, path := range paths {
		if err := changeFlags(path, immutable); err != nil {
			undo()
			t.Skip("*** NOT TESTED ON A READ-ONLY DISK: files cannot be made immutable here. ***", err)
		}
	}
	return undo
}

func changeFlags(path string, to uint32) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var flags uint32
	if _, _, code := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), getFlags, uintptr(unsafe.Pointer(&flags))); code != 0 {
		return &os.PathError{Op: "get flags", Path: path, Err: code}
	}
	flags = flags&^immutable | to
	if _, _, code := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), setFlags, uintptr(unsafe.Pointer(&flags))); code != 0 {
		return &os.PathError{Op: "set flags", Path: path, Err: code}
	}
	return nil
}
