"""The tables of run.db, and the version of what they hold."""

VERSION = 7
"""Of the tables in run.db (PRAGMA user_version). Raise it with every change of what they hold."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE endpoints (id INTEGER PRIMARY KEY, method TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (method, name));
-- What all workers finished in one second at one endpoint; fit = 0: measured while the node was not fit to measure. `userspace_timed`
-- of them were ended by a worker's own clock, not by its kernel's note. `histogram` has the response times of what did not fail and
-- the ages of what got no answer (`unanswered`, part of `failed`), `failures` those of other failures (NULL: none); `without_latency` have none.
-- In the open model the wait of an arrival for a free user is in them; `service` has the same requests' times without it (NULL: equal).
CREATE TABLE requests (
    second INTEGER NOT NULL, endpoint INTEGER NOT NULL REFERENCES endpoints, fit INTEGER NOT NULL,
    total INTEGER NOT NULL, failed INTEGER NOT NULL, received_bytes INTEGER NOT NULL, histogram BLOB NOT NULL,
    userspace_timed INTEGER NOT NULL, unanswered INTEGER NOT NULL, without_latency INTEGER NOT NULL, failures BLOB,
    service BLOB,
    PRIMARY KEY (second, endpoint, fit)
) WITHOUT ROWID;
-- The arrivals of the open model by the second in which they were due, as all workers decided them: `started`, `missed` for want of a
-- free user, or `given_up` since the worker was far too late; fit = 0: by a worker while it was not fit. Of those started `late` were
-- looked at too late by a fault of the worker's own; `lateness` is a histogram of how much later than due they started.
CREATE TABLE arrivals (
    second INTEGER NOT NULL, user_class TEXT NOT NULL, fit INTEGER NOT NULL,
    started INTEGER NOT NULL, missed INTEGER NOT NULL, late INTEGER NOT NULL, given_up INTEGER NOT NULL, lateness BLOB NOT NULL,
    PRIMARY KEY (second, user_class, fit)
) WITHOUT ROWID;
-- Requests that had been waiting for an answer for a second or longer when a second ended: `ages` is a histogram.
CREATE TABLE waiting (
    second INTEGER NOT NULL, endpoint INTEGER NOT NULL REFERENCES endpoints, requests INTEGER NOT NULL, ages BLOB NOT NULL,
    PRIMARY KEY (second, endpoint)
) WITHOUT ROWID;
-- `offered` arrivals are due in the second by the schedule of the whole fleet; NULL in the closed model.
CREATE TABLE seconds (
    second INTEGER PRIMARY KEY, stage TEXT NOT NULL, steady INTEGER NOT NULL, users INTEGER NOT NULL,
    ready INTEGER NOT NULL, hot INTEGER NOT NULL, lost INTEGER NOT NULL, offered INTEGER
);
-- What the target's process used, where it runs on the controller's machine: CPU in percent of one core, and resident memory.
CREATE TABLE target (second INTEGER PRIMARY KEY, cpu_percent REAL, memory_bytes INTEGER);
-- Resident memory of the controller's process itself.
CREATE TABLE controller (second INTEGER PRIMARY KEY, memory_bytes INTEGER NOT NULL);
-- `state`, `wall_offset_s` (how far its wall clock is ahead of the controller's) and `capacity` are the latest.
CREATE TABLE nodes (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, simulated INTEGER, facts TEXT,
    state TEXT, wall_offset_s REAL, capacity REAL
);
-- In order of time, as rows come: what a second adds stands together, on few pages, however long the run is already.
CREATE TABLE samples (
    second INTEGER NOT NULL, node INTEGER NOT NULL REFERENCES nodes,
    cpu_percent REAL NOT NULL, memory_percent REAL NOT NULL, memory_used_bytes INTEGER NOT NULL, load_1min REAL NOT NULL,
    temperature_c REAL, frequency_hz REAL, fan_rpm INTEGER, fan_step INTEGER,
    -- Four conditions each: bits 0 to 3 say which hold, bits 4 to 7 which are known; of the moment, since the sample before, ever.
    conditions INTEGER NOT NULL, conditions_lately INTEGER NOT NULL, conditions_since_start INTEGER NOT NULL,
    network_received_bytes INTEGER NOT NULL, network_sent_bytes INTEGER NOT NULL,
    disk_read_bytes INTEGER NOT NULL, disk_written_bytes INTEGER NOT NULL,
    -- The conditions since the sample before one by one, for reading; NULL where unknown. They take no room.
    under_voltage INTEGER AS (CASE WHEN conditions_lately & 16 THEN conditions_lately & 1 END) VIRTUAL,
    frequency_capped INTEGER AS (CASE WHEN conditions_lately & 32 THEN conditions_lately >> 1 & 1 END) VIRTUAL,
    throttled INTEGER AS (CASE WHEN conditions_lately & 64 THEN conditions_lately >> 2 & 1 END) VIRTUAL,
    soft_limited INTEGER AS (CASE WHEN conditions_lately & 128 THEN conditions_lately >> 3 & 1 END) VIRTUAL,
    PRIMARY KEY (second, node)
) WITHOUT ROWID;
-- How fit a worker and its node were to measure in one second; `unfit` lists the reasons, with semicolons between, empty when fit;
-- `lag` is a histogram.
-- `users` ran and `in_flight` requests were unanswered when the second ended (users NULL: not known); `local_errors` requests failed for
-- want of something on the node; `exceptions` came from users' code.
CREATE TABLE fitness (
    second INTEGER NOT NULL, node INTEGER NOT NULL REFERENCES nodes, worker INTEGER NOT NULL,
    lag_max_ms REAL NOT NULL, worker_cpu_percent REAL, requests INTEGER NOT NULL, users INTEGER, unfit TEXT NOT NULL,
    lag BLOB NOT NULL, userspace_timed INTEGER NOT NULL, in_flight INTEGER NOT NULL, local_errors INTEGER NOT NULL,
    exceptions INTEGER NOT NULL,
    PRIMARY KEY (second, node, worker)
) WITHOUT ROWID;
-- The last report of each worker that is in the tables above: `incarnation` tells a restarted worker from the one before.
CREATE TABLE reports (worker TEXT PRIMARY KEY, incarnation INTEGER NOT NULL, number INTEGER NOT NULL) WITHOUT ROWID;
-- The numbers of data rows that each worker holds, as master/data/lease_book.py keeps them.
CREATE TABLE row_leases (
    name TEXT NOT NULL, worker TEXT NOT NULL, incarnation INTEGER NOT NULL, holding TEXT NOT NULL,
    PRIMARY KEY (name, worker, incarnation)
) WITHOUT ROWID;
-- Seconds that are older than what is kept one by one. A span covers [second, second + span_s), a minute at most, and never crosses a
-- border of a stage or of the steady part. The two tables of spans have the columns of `requests` and `arrivals`, added up.
CREATE TABLE request_spans (
    second INTEGER NOT NULL, endpoint INTEGER NOT NULL REFERENCES endpoints, fit INTEGER NOT NULL, span_s INTEGER NOT NULL,
    total INTEGER NOT NULL, failed INTEGER NOT NULL, received_bytes INTEGER NOT NULL, histogram BLOB NOT NULL,
    userspace_timed INTEGER NOT NULL, unanswered INTEGER NOT NULL, without_latency INTEGER NOT NULL, failures BLOB,
    service BLOB,
    PRIMARY KEY (second, endpoint, fit)
) WITHOUT ROWID;
CREATE TABLE arrival_spans (
    second INTEGER NOT NULL, user_class TEXT NOT NULL, fit INTEGER NOT NULL, span_s INTEGER NOT NULL,
    started INTEGER NOT NULL, missed INTEGER NOT NULL, late INTEGER NOT NULL, given_up INTEGER NOT NULL, lateness BLOB NOT NULL,
    PRIMARY KEY (second, user_class, fit)
) WITHOUT ROWID;
-- Rows of `fitness` and `samples`, packed, those of some nodes in each (`part`), see master/store/thinned. They count before the second
-- that `meta` names as `thinned`, the rows from it on; rows that came later than that are in tables of their own. What the workers of
-- packed rows were together in each second is in `worker_seconds`.
CREATE TABLE late_fitness (
    second INTEGER NOT NULL, node INTEGER NOT NULL REFERENCES nodes, worker INTEGER NOT NULL,
    lag_max_ms REAL NOT NULL, worker_cpu_percent REAL, requests INTEGER NOT NULL, users INTEGER, unfit TEXT NOT NULL,
    lag BLOB NOT NULL, userspace_timed INTEGER NOT NULL, in_flight INTEGER NOT NULL, local_errors INTEGER NOT NULL,
    exceptions INTEGER NOT NULL,
    PRIMARY KEY (second, node, worker)
) WITHOUT ROWID;
CREATE TABLE late_samples (
    second INTEGER NOT NULL, node INTEGER NOT NULL REFERENCES nodes,
    cpu_percent REAL NOT NULL, memory_percent REAL NOT NULL, memory_used_bytes INTEGER NOT NULL, load_1min REAL NOT NULL,
    temperature_c REAL, frequency_hz REAL, fan_rpm INTEGER, fan_step INTEGER,
    conditions INTEGER NOT NULL, conditions_lately INTEGER NOT NULL, conditions_since_start INTEGER NOT NULL,
    network_received_bytes INTEGER NOT NULL, network_sent_bytes INTEGER NOT NULL,
    disk_read_bytes INTEGER NOT NULL, disk_written_bytes INTEGER NOT NULL,
    PRIMARY KEY (second, node)
) WITHOUT ROWID;
CREATE TABLE fitness_packs (
    second INTEGER NOT NULL, part INTEGER NOT NULL, span_s INTEGER NOT NULL, pack BLOB NOT NULL, PRIMARY KEY (second, part)
) WITHOUT ROWID;
CREATE TABLE sample_packs (
    second INTEGER NOT NULL, part INTEGER NOT NULL, span_s INTEGER NOT NULL, pack BLOB NOT NULL, PRIMARY KEY (second, part)
) WITHOUT ROWID;
CREATE TABLE worker_seconds (
    second INTEGER PRIMARY KEY, users INTEGER, in_flight INTEGER NOT NULL, local_errors INTEGER NOT NULL,
    exceptions INTEGER NOT NULL, lag_max_ms REAL NOT NULL
);
-- By node, what the generator is judged by of the steady seconds that are packed: `workers` of its fitness, `samples` of its samples.
CREATE TABLE node_totals (node INTEGER NOT NULL REFERENCES nodes, kind TEXT NOT NULL, totals BLOB NOT NULL, PRIMARY KEY (node, kind)) WITHOUT ROWID;
CREATE TABLE events (offset_s REAL NOT NULL, kind TEXT NOT NULL, node TEXT, detail TEXT NOT NULL);
CREATE TABLE errors (
    method TEXT NOT NULL, name TEXT NOT NULL, error TEXT NOT NULL, count INTEGER NOT NULL, first_s REAL NOT NULL,
    PRIMARY KEY (method, name, error)
) WITHOUT ROWID;
-- Errors over time: how often each kind, which is an error's text at whatever endpoint, was reported of [start_s, start_s + ERROR_SPAN_S).
CREATE TABLE error_kinds (id INTEGER PRIMARY KEY, error TEXT NOT NULL UNIQUE);
CREATE TABLE error_counts (
    start_s INTEGER NOT NULL, kind INTEGER NOT NULL REFERENCES error_kinds, count INTEGER NOT NULL,
    PRIMARY KEY (start_s, kind)
) WITHOUT ROWID;
-- Exceptions that the code of users let through: where, with the source line, and how often.
CREATE TABLE exceptions (
    user_class TEXT NOT NULL, type TEXT NOT NULL, message TEXT NOT NULL, place TEXT NOT NULL, line TEXT NOT NULL,
    count INTEGER NOT NULL, first_s REAL NOT NULL,
    PRIMARY KEY (user_class, type, message, place, line)
) WITHOUT ROWID;
"""
