//go:build !race

package relay_test

// underRace: SQLite, being Go, is some twenty times as slow with the race detector.
const underRace = false
