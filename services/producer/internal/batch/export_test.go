package batch

// NewReaderOf lets the tests have entries that are too long without being long.
var NewReaderOf = newReader
