// Package batch sends many webhooks that are listed in a file or come down a pipe.
//
// A [Reader] reads entries one at a time out of a JSON array, an object {"webhooks": […]}, NDJSON or YAML; [Run]
// sends them, several at once and at most so many a second; a [Failures] file takes those that failed, in the same
// format. However long the input is, only the entries that are on their way are in memory.
//
// What is wrong with one entry fails that entry alone, by its line. It keeps nothing of what it has sent: that a
// receiver knows an entry that is sent once more is what the id in the failures' file is for.
package batch
