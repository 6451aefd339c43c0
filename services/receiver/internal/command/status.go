package command

import "strconv"

// Status is an exit status that needs no further words: the command has said what it had to.
type Status int

// Error is the status as a number.
func (s Status) Error() string { return "exit status " + strconv.Itoa(int(s)) }
