package batch

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Failures is a file that takes entries in the format of the batch they come from, so that it can be run as one.
// Until it is closed they stand in a file beside it, so that the batch itself may be replaced by what is left of it.
// It is not safe for concurrent use.
type Failures struct {
	format Format
	path   string // the file
	part   string // where it is written; empty: directly, as what is there is no plain file
	file   *os.File
	out    *bufio.Writer
	count  int
	lost   bool // an entry was too long to be kept
}

// partPattern is added to the name of a file that is being written; * is what nothing has that stands there already, be
// it what an earlier run left, which this one may be reading.
const partPattern = ".*.part"

// CreateFailures begins a file that only its owner may read, as entries may have secrets.
func CreateFailures(path string, format Format) (*Failures, error) {
	f := &Failures{format: format, path: path}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		f.path = real
	}
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && info.Mode().IsRegular()) {
		f.file, err = os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+partPattern)
	} else {
		f.file, err = os.OpenFile(f.path, os.O_WRONLY, 0)
	}
	if err != nil {
		return nil, err
	}
	if name := filepath.Clean(f.file.Name()); name != filepath.Clean(f.path) {
		f.part = name
	}
	f.out = bufio.NewWriter(f.file)
	return f, nil
}

// Add takes an entry as it stood in its batch, with the id it was sent under, by which the receiver knows it again.
func (f *Failures) Add(e Entry) error {
	raw := e.raw
	yaml := f.format == YAML || f.format == YAMLKey
	if raw == nil {
		f.lost = true
		return nil
	}
	if e.Wrong == nil && !e.named {
		if yaml {
			raw = yamlWithID(raw, e.ID)
		} else {
			raw = withID(raw, e.ID)
		}
	}
	before, after := f.between()
	if f.count == 0 {
		before = f.opening()
	}
	f.count++
	_, _ = f.out.WriteString(before)
	_, _ = f.out.Write(raw)
	_, err := f.out.WriteString(after) // a writer's first error stays
	return err
}

// opening stands before the first entry.
func (f *Failures) opening() string {
	switch f.format {
	case Array:
		return "[\n"
	case Webhooks:
		return "{\"webhooks\":[\n"
	case YAMLKey:
		return "webhooks:\n"
	default:
		return ""
	}
}

// between stands before each further entry, and after each.
func (f *Failures) between() (before, after string) {
	switch f.format {
	case Array, Webhooks:
		return ",\n", ""
	case Lines:
		return "", "\n"
	default:
		return "", ""
	}
}

func (f *Failures) closing() string {
	switch {
	case f.count == 0:
		return ""
	case f.format == Array:
		return "\n]\n"
	case f.format == Webhooks:
		return "\n]}\n"
	default:
		return ""
	}
}

// Close ends the file, puts it in its place and answers its name; when nothing failed there is none afterwards, and the
// name is empty. A batch that was not read whole replaces nothing, as there may be entries in what stands there that
// were not seen: the answer is then the name of the file beside it.
func (f *Failures) Close(whole bool) (name string, err error) {
	_, _ = f.out.WriteString(f.closing())
	if err := errors.Join(f.out.Flush(), f.file.Close()); err != nil {
		return "", err
	}
	_, err = os.Lstat(f.path)
	free := errors.Is(err, fs.ErrNotExist)
	switch {
	case f.part == "" && f.count > 0:
		return f.path, nil
	case f.part == "":
		return "", nil
	case f.count == 0:
		err = os.Remove(f.part)
		if whole && !f.lost && !free {
			err = errors.Join(err, os.Remove(f.path))
		}
		return "", err
	case (whole && !f.lost) || free:
		return f.path, os.Rename(f.part, f.path)
	default:
		return f.part, nil
	}
}
