// Package terminal knows what stands at the other end of an output: a person at a terminal, who may be shown colours and
// progress, or a file or a program, which gets plain text.
//
// It draws nothing by itself. It looks only at what it is given: the output, and the environment as lines.
package terminal

import (
	"io"
	"strings"

	"github.com/mattn/go-isatty"
)

// Is reports whether out is a terminal.
func Is(out io.Writer) bool {
	file, ok := out.(interface{ Fd() uintptr })
	return ok && isatty.IsTerminal(file.Fd())
}

// Redraws reports whether what stands on out can be drawn over: it is a terminal, and TERM is not dumb.
func Redraws(out io.Writer, environ []string) bool {
	return Is(out) && value(environ, "TERM") != "dumb"
}

// Colour is how text is to be shown.
type Colour string

// The colours in use, as ECMA-48 (section 8.3.117) numbers them.
const (
	Red    Colour = "31"
	Green  Colour = "32"
	Yellow Colour = "33"
	Grey   Colour = "90"
	Bold   Colour = "1"
)

// Palette paints text, or leaves it as it is; the zero value does the latter.
type Palette struct{ on bool }

// For makes the palette for an output: colours on a terminal only, and never when NO_COLOR is set to anything
// (https://no-color.org) or TERM is dumb. environ has lines NAME=value, of which the first of a name counts.
func For(out io.Writer, environ []string) Palette {
	return Palette{Redraws(out, environ) && value(environ, "NO_COLOR") == ""}
}

// Paint returns the text in a colour. Pad it to its width before: the colour takes bytes and no room.
func (p Palette) Paint(c Colour, text string) string {
	if !p.on {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

func value(environ []string, name string) string {
	for _, line := range environ {
		if text, found := strings.CutPrefix(line, name+"="); found {
			return text
		}
	}
	return ""
}
