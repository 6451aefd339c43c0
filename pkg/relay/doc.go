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
// # The states of a delivery
//
//	pending ── claimed ──> delivering ── delivered
//	   ^                       │
//	   ├──── retry, lease ran out
//	   │                       └─ gave up ──> failed ── Retry ──> pending
//	   └─ Cancel ──> cancelled ── Retry ──> pending
//
// "paused" is what pending is called while its target is disabled: disabling a target with a million deliveries changes
// one row. A claim counts the attempt before it is made, and issues a fencing token; an outcome, and an effect, counts only
// while that token is the delivery's. A process that dies loses its leases and nothing else.
//
// # How it is used
//
// Open a [Store], register targets with [Store.PutTarget], append [Draft] messages, and run a [Dispatcher]
// with a [Resolver] that turns a target's id into the [Runner] that performs one attempt. A runner never
// sleeps or loops: it answers [Delivered], [Retry] or [Permanent], and only the dispatcher decides when to
// try again.
//
// # Targets are kept apart
//
// Each target has limits of its own in each process, so that a slow, failing or greedy one costs the others nothing:
//
//   - Target.Concurrency bounds the attempts at once, and with that what the target holds under leases.
//   - Target.Rate bounds the attempts started in a second; at most a tenth of a second's worth start at once. No more is
//     claimed than may start.
//   - A [Breaker] leaves a target alone that fails all the time. Its deliveries wait, and no attempt of theirs is spent;
//     one attempt now and then finds out whether that has passed. What was claimed when it opens is given back. Effects
//     have none, as they fail with their own fault or with the whole database.
//   - Config.DisableAfter disables a target that has failed for days, in the transaction that records the last failure.
//     The time since when it fails is a column of the target's row: neither a restart nor another process loses it.
//
// DispatcherConfig.TargetChanged is told of all that, and what DispatcherConfig.Announce says of a target that is disabled is
// appended with it. What waits behind the head of an ordering key is taken out of the index of what is due, so that claims
// do not pass over it; and a target without work is looked at by nobody.
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
// DispatcherConfig.Poll: that is what progress rests on. NOTIFY only saves waiting. After its commits a process tells the
// others, at most ten times a second, which targets got work; they hear it on one connection each, which connects again
// when it is lost. Where LISTEN is refused, or brings nothing because of a pooler, Config.Note says so once and polling
// goes on; listen=off in the URL leaves it out.
//
// # What it wants of PostgreSQL
//
// Version 12 or later: WITH … AS MATERIALIZED is the newest that its statements use, and an older server is refused.
// The tests have passed on 12.22, 14.23, 15.18 and 18.4. A database in UTF8, and rights to make tables and functions in its
// schema. Each store takes up to 7 connections to write and dispatch, one to listen, and 2 for each processor (at least 4)
// to read: mind max_connections. synchronous_commit is set to on, and read back from every connection; whether the server itself keeps
// what it has synced (fsync, full_page_writes, its disk) is its administrator's affair. What else pays: shared_buffers of
// a quarter of the memory, max_wal_size of some gigabytes, wal_compression, and autovacuum left on, as rows of the queue
// change several times within seconds. commit_delay brings nothing: appends share their commits already.
//
// Through a pooler that gives each transaction another connection (PgBouncer in transaction mode, most proxies of cloud
// databases) everything works but LISTEN. It needs max_prepared_statements there, or default_query_exec_mode=exec in the
// URL, and ignore_startup_parameters=synchronous_commit; the server's own setting counts then. Settings of one transaction
// are made with SET LOCAL, and locks last no longer than transactions.
//
// What keeps the engine off databases that only speak PostgreSQL's protocol:
//
//   - plpgsql functions that take a row's lock and read it anew in one statement (relay_advance), and a column's default
//     that calls one;
//   - one row through which all appends pass (positions), so that sequences follow commits without gaps: on a
//     distributed database that is one contended row;
//   - statements with several changes in WITH, which rely on their order of execution through what they read of each other;
//   - SELECT … FOR UPDATE SKIP LOCKED inside WITH;
//   - pg_advisory_xact_lock, for migrations and ordering keys;
//   - partial indexes, also unique ones; COLLATE "C"; INSERT … ON CONFLICT with conditions; unnest of several arrays;
//   - READ COMMITTED that sees the newest committed row after waiting for its lock;
//   - SET LOCAL of idle_in_transaction_session_timeout and lock_timeout; several statements in one simple query;
//   - clock_timestamp() of one server as everybody's time; LISTEN and NOTIFY, which it can do without.
//
// Amazon Aurora and Google AlloyDB are PostgreSQL itself above another disk, and have all of these. CockroachDB lacks
// advisory locks (its functions do nothing), LISTEN, and by default READ COMMITTED. YugabyteDB has advisory locks only in
// recent versions, no LISTEN before the newest, and needs its READ COMMITTED switched on. That is what their
// documentation says; neither has been tried.
//
// # The journal
//
// On SQLite a crowd of callers (eight or more in one commit) appends through a journal: what they bring is written as one
// row, packed, and dealt with a little later, many messages in one commit, where possible together with the outcomes of the
// first attempts. What is in the journal is accepted: it is on disk, counts in [Store.Stats] and as a duplicate, and
// survives a crash. Who asks for a message or a delivery in there by its id waits for that, as lists do, but no longer than
// 5 s: while more is appended than can be worked off, or the disk is full or read-only, what is asked for by its id is then
// shown as the journal has it, pending or delivering, and lists lag.
//
// A row of the journal that turns out to be damaged is set aside: its messages count as what they were, their keys are not
// accepted anew, DispatcherConfig.Log and whoever asks for one of them are told which row it is, and everything else goes
// on. No store opens with such a row, until it has been restored or taken out by hand.
//
// While a crowd appends, effects get a twentieth of the writer's time, until 262,144 messages or 256 MiB wait or the oldest has
// waited for 10 s; from then on no more is accepted than can be worked off.
//
// On PostgreSQL a crowd's messages are one row as well, in one statement with their keys and their totals, and any process
// makes their rows: the one that appended them when its crowd is gone, another when it finds them at a look a second, and
// either at once for whoever waits to read or to change something. Messages with an ordering key or an id of the caller's
// choice never wait there, and nothing goes into the journal while 262,144 messages wait or the oldest has waited for 10 s.
// While rows cannot be made, asking by id for what may wait there is answered [ErrUnavailable]. A damaged row is set aside
// in the same way; stores open with it. Before going back to a version that knows no journal on PostgreSQL, let the last
// process that does run until the table is empty.
//
// # What is folded
//
// A message of the journal all of whose deliveries were delivered with their first attempts by then gets no rows: the
// journal's row stays, and one more row beside it tells what became of all of its messages. It is folded. Any other gets
// rows of its own, and so does a folded one to which something happens later: a replay thaws it. Callers cannot tell one
// from the other; statements of a service's own that read the engine's tables see rows only. Lists pass over what is folded
// by the sources, types, targets and times that stand beside each of its rows; an id is found by the range of those that
// its row has.
//
// # What one message costs on SQLite
//
// Alone: one transaction for the message, its key, its delivery (born leased where the dispatcher has room, which saves a
// claim) and the totals, and one for the outcome with its attempt: two fdatasyncs and about ten statements. The outcome of
// an attempt outside of the database waits up to 3 ms for others, or for any other transaction, to share one with.
//
// In a crowd of 128: a fiftieth of a transaction and of its fdatasync, a look at a filter in memory that nearly always
// knows its key to be new (a Bloom filter of 10 bits a key, which a start reads in the background, a million in about a
// second and a half; until then, one look-up), and what is left of it when it is packed with its neighbours in the journal's row: of events that differ in little but
// their ids, a tenth. Once it is delivered, a hundredth of the row that says so; and its key, which is merged into the table
// of keys with up to sixteen thousand others in their order, because alone each key would change a page of 4 KiB. What does
// not end well at once gets rows: a message, a delivery and its attempts, of about a page for four messages of a kilobyte.
// Each page is written to the -wal file, and once more to the database when that is checkpointed.
//
// # How far one machine goes
//
// Two cores, with the load generator, the database and the endpoints on them too
// (make bench BENCH="-only ingest,processed,by-hand,sustained,publish,drain" prints such figures, as ratios to what one could
// write by hand): some 50,000 webhooks a second verified and stored for as long as the journal takes them, some 27,000
// processed as well, some 23,000 for half a minute, some 14,000 events a second published, delivered and recorded, and some
// 33,000 deliveries a second of a backlog. The benchmark's events are much alike, so they pack well.
//
// A handler that checks the signature and keeps nothing answers some 90,000 there. What one could write by hand to keep what
// it answers for, a single writer with a transaction for whatever waits and a row for each message under its key, stores some
// 33,000 on SQLite, or 22,000 with another row as the effect. On PostgreSQL it stores some 40,000, and so does this package,
// because the server needs the same processors. PostgreSQL is the better choice when several processes have to share the work
// or stand in for each other, when the database has a machine of its own, or when somebody else looks after its backups.
//
// # What one message costs on PostgreSQL
//
// A group of appends, up to 512 of them, is one statement, which is its own transaction: one round trip and one flush of
// the log. In a crowd that writes a key's row for each message and one row for all of them, and another transaction makes
// their rows, up to about a thousand at once. Its claim, its effects ([Effects] puts those of one target into few statements) and its completion come in
// three more transactions for a group, about fifteen round trips together. With groups of a hundred that is 0.03 commits and about
// 4 KiB of log for a message of 580 bytes with one effect.
//
// The package knows nothing of HTTP, of signatures or of what a message means.
package relay
