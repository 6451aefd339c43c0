package terminal_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"example.com/signet/services/producer/internal/terminal"
)

// newTerminal opens a real terminal of the kernel's.
func newTerminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	side, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { _ = side.Close() })
	return side
}

func TestFor(t *testing.T) {
	t.Parallel()
	person := newTerminal(t)
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	const painted, plain = "\x1b[31mno\x1b[0m", "no"
	for name, c := range map[string]struct {
		palette terminal.Palette
		want    string
	}{
		"terminal":            {terminal.For(person, nil), painted},
		"terminal, NO_COLOR":  {terminal.For(person, []string{"NO_COLOR=1"}), plain},
		"NO_COLOR, but empty": {terminal.For(person, []string{"NO_COLOR=", "TERM=xterm"}), painted},
		"the first counts":    {terminal.For(person, []string{"NO_COLOR=", "NO_COLOR=1"}), painted},
		"dumb terminal":       {terminal.For(person, []string{"TERM=dumb"}), plain},
		"file":                {terminal.For(file, nil), plain},
		"memory":              {terminal.For(&bytes.Buffer{}, nil), plain},
		"nobody":              {terminal.Palette{}, plain},
	} {
		if got := c.palette.Paint(terminal.Red, "no"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if !terminal.Is(person) || terminal.Is(file) {
		t.Errorf("terminal %v, file %v", terminal.Is(person), terminal.Is(file))
	}
}
