// Package relay is a durable message log with one delivery engine on top of it.
//
// An inbox and an outbox are the same thing seen from two sides: an append-only log of messages, and for
// each message and each target one delivery with its state, its attempts and the time it is next due. The
// receiver's targets are its handlers, the producer's targets are its customers' endpoints.
//
// # What it promises
//
//   - [Store.Append] returns only after the messages and their deliveries are committed to disk, in one
//     transaction. Concurrent callers share transactions (group commit), so durability costs each of them a
//     fraction of an fsync.
//   - A message with the (source, dedupe key) of an earlier one is not stored again; the caller is given the
//     first one's id.
//   - A target outside the database ([Remote]) is called at least once. An effect inside it ([Effect]) happens
//     exactly once: it commits together with the delivery's completion or not at all.
//   - A delivery is always in exactly one visible [State], and nothing disappears but what a [Retention]
//     is told to remove.
//
// # How it is used
//
// Open a [Store], register targets with [Store.PutTarget], append [Draft] messages, and run a [Dispatcher]
// with a [Resolver] that turns a target's id into the [Runner] that performs one attempt. A runner never
// sleeps or loops: it answers [Delivered], [Retry] or [Permanent], and only the dispatcher decides when to
// try again.
//
// # What is kept
//
// A [Retention] removes messages all of whose deliveries are over, once they are old enough, in small transactions beside
// everything else; totals stay. Files stop growing under steady traffic because what was removed makes room for what
// comes. They do not shrink: on SQLite a file stays as large as it ever had to be (auto_vacuum is off, because keeping its
// pointer map costs about 4 % of each append; VACUUM with the service stopped gives the room back), on PostgreSQL
// autovacuum decides. The -wal file of SQLite is held at about 64 MiB, also beside callers who read all the time; only one
// who reads for long at a stretch makes it grow for that time.
//
// [Store.RetryAll], [Store.ReplayAll] and [Store.CancelAll] do to all deliveries that a filter selects what [Store.Retry],
// [Store.Replay] and [Store.Cancel] do to one: in small transactions as well, at a rate, with a dry run, and so that a call
// that was interrupted can be repeated.
//
// # Two engines
//
// On SQLite one process owns the database's file. On PostgreSQL any number of processes share the database: claims
// never overlap, all times of schedules and leases are the database's, and what a process held when it died is claimed
// by another one once its lease has run out. Which is which is one value, the engine; statements are written once.
//
// A process learns from its own commits that there is work, and of everybody else's by looking every
// DispatcherConfig.Poll. There is no LISTEN: what polling finds needs no connection of its own, and works through a
// pooler. (PgBouncer in transaction mode needs its max_prepared_statements, or default_query_exec_mode=exec in the URL,
// and ignore_startup_parameters=synchronous_commit; the server's own setting counts then.)
//
// Whether the server itself keeps what it has synced (fsync, full_page_writes, its disk) is its administrator's affair.
//
// The package knows nothing of HTTP, of signatures or of what a message means.
package relay
