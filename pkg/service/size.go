package service

import (
	"errors"
	"math"

	"github.com/dustin/go-humanize"
)

// ErrSize says that a text is not a [Size].
var ErrSize = errors.New("must be a size above 0 such as 512KiB, 1MiB or 25MB")

// Size is a number of bytes from 1 to 2^63-1, written "1MiB" or "512KiB" (powers of 1024), "25MB" (powers of
// 1000) or as a plain number. It serves as a field of a configuration struct.
type Size int64

// UnmarshalText reads a size; anything else, and 0, is [ErrSize].
func (s *Size) UnmarshalText(text []byte) error {
	bytes, err := humanize.ParseBytes(string(text))
	if err != nil || bytes == 0 || bytes > math.MaxInt64 {
		return ErrSize
	}
	*s = Size(bytes)
	return nil
}

// String is the size for people, rounded, such as "1.0 MiB".
func (s Size) String() string { return humanize.IBytes(uint64(max(s, 0))) }
