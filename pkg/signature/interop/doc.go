// Package interop holds tests only: what pkg/signature signs passes the
// providers' own libraries for Go, what those sign verifies here, and both
// refuse what was changed on the way. Where the two differ on purpose, a test
// named TestDifference says how.
//
// It is a module of its own, so that nobody who uses pkg/signature depends on
// any of those libraries.
package interop
