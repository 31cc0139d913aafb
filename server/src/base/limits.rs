//! Every bound in the system, in one place, with its default. All of them can be set in the configuration; what
//! concerns a session is told to the client in `Welcome`. The sources of the defaults are in `docs/operating.md`.
//! This file holds numbers only; those who enforce a bound read it from here.

use std::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

use super::config::duration;

/// Largest payload that any namespace may allow, in bytes.
pub const PAYLOAD_BYTES_CEILING: u32 = 1 << 20;
/// Frames of one `AttachRequest` or `PushRequest`, entries of one `PublishBatchRequest`.
pub const BATCH_ENTRIES_MAX: usize = 256;
/// Rooms of one join, part or target.
pub const ROOMS_PER_COMMAND_MAX: usize = 64;
/// Sessions or users of one target, members named in one answer.
pub const SESSIONS_PER_COMMAND_MAX: usize = 256;
/// Joins that travel with one `Hello`.
pub const JOINS_PER_HELLO_MAX: usize = 16;
/// Bytes of a namespace or room name.
pub const NAME_BYTES_MAX: usize = 128;
/// Bytes of an event name.
pub const EVENT_NAME_BYTES_MAX: usize = 64;
/// Bytes of what distinguishes events of one name, and of a key of a room's state.
pub const KEY_BYTES_MAX: usize = 128;
/// Bytes of an idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 64;
/// Bytes of an id, a secret or an epoch in a request; ours are shorter.
pub const ID_BYTES_MAX: usize = 64;
/// Events of one page of history, and the newest events that a join may ask for.
pub const EVENTS_PER_PAGE_MAX: u32 = 300;
/// Idempotency keys that a node holds; beyond, the oldest go first. About 200 bytes are held for each.
pub const IDEMPOTENCY_KEYS_MAX: usize = 1 << 18;
/// How long an idempotency key is held.
pub const IDEMPOTENCY_HELD: Duration = Duration::from_secs(5 * 60);
/// Keys of one room's state that are remembered as taken away, for those who come back; beyond, the oldest go first.
pub const STATE_TOMBSTONES_MAX: usize = 1_000;
/// Bytes of all keys and values of one room's state: they are held in memory.
pub const STATE_BYTES_MAX: usize = 4 << 20;
/// How long a room's state without keys is remembered.
pub const STATE_FORGET_AFTER: Duration = Duration::from_secs(3600);
/// Bytes of newest events that are held in memory of one room whose history is on disk.
pub const HISTORY_CACHE_ROOM_BYTES: usize = 128 << 10;
/// The same of all rooms.
pub const HISTORY_CACHE_BYTES: usize = 64 << 20;
/// Bytes that the log of histories may have beyond twice what is live in it, before it is cleaned.
pub const LOG_CLEAN_FLOOR_BYTES: u64 = 64 << 20;
/// Bytes of the log that are looked through in one step of cleaning.
pub const LOG_CLEAN_STEP_BYTES: u64 = 16 << 20;
/// Bytes that such a step writes again: little beside what may wait to be written, which is for events.
pub const LOG_CLEAN_WRITE_BYTES: u64 = 1 << 20;
/// Bytes that are appended to the log of histories from one snapshot of its index to the next.
pub const LOG_SNAPSHOT_EVERY_BYTES: u64 = 64 << 20;
/// Jobs of one `EnqueueRequest`, items of one `SettleRequest` or `ExtendRequest`.
pub const JOBS_PER_REQUEST_MAX: usize = 1_000;
/// Bytes of a job's payload.
pub const JOB_BYTES_MAX: usize = 256 << 10;
/// Bytes of a job's result.
pub const JOB_RESULT_BYTES_MAX: usize = 64 << 10;
/// Bytes of what an attempt leaves for the next one.
pub const JOB_CHECKPOINT_BYTES_MAX: usize = 64 << 10;
/// Bytes of what is said about an error of a job.
pub const JOB_ERROR_BYTES_MAX: usize = 4 << 10;
/// Bytes of what is said about the progress of a job.
pub const JOB_PROGRESS_BYTES_MAX: usize = 1 << 10;
/// Priorities of jobs.
pub const JOB_PRIORITIES: RangeInclusive<i32> = -16..=15;
/// The largest weight of a fairness key.
pub const JOB_WEIGHT_MAX: u32 = 1_000;
/// Rooms that are told about one job.
pub const JOB_NOTIFY_MAX: usize = 4;
/// Jobs that follow one in its chain.
pub const JOB_CHAIN_MAX: usize = 16;
/// An open batch to which nothing was added for so long is closed.
pub const BATCH_OPEN_MAX: Duration = Duration::from_secs(24 * 3600);
/// Schedules of one queue.
pub const SCHEDULES_PER_QUEUE_MAX: usize = 1_000;
/// Bytes of a schedule's name: with a time behind it, it is the name of a job.
pub const SCHEDULE_NAME_BYTES_MAX: usize = 100;
/// Bytes of a pattern of cron, and of a time zone's name.
pub const CRON_BYTES_MAX: usize = 128;
/// How far ahead a job may be put in, and how long anything of it may be kept: ten years.
pub const JOB_DELAY_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
/// The most attempts that a job may have.
pub const JOB_ATTEMPTS_MAX: u32 = 1_000;
/// The longest wait before an attempt that a policy may set.
pub const JOB_RETRY_MAX: Duration = Duration::from_secs(24 * 3600);
/// The shortest lease.
pub const LEASE_MIN: Duration = Duration::from_secs(1);
/// How long a lease lasts when the worker does not say.
pub const LEASE_DEFAULT: Duration = Duration::from_secs(30);
/// The longest lease.
pub const LEASE_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long the leases of a worker outlive its stream.
pub const WORKER_RESUME_WINDOW: Duration = Duration::from_secs(10);
/// Queues from which one worker takes jobs.
pub const SUBSCRIPTIONS_MAX: usize = 64;
/// Jobs that a worker may have at once.
pub const WORKER_JOBS_MAX: u32 = 10_000;
/// Jobs of one `Lease`.
pub const LEASES_PER_CALL_MAX: u32 = 256;
/// How long `Lease` waits at most.
pub const LEASE_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long `WaitJob` waits when it does not say.
pub const JOB_WAIT_DEFAULT: Duration = Duration::from_secs(30);
/// How long `WaitJob` waits at most.
pub const JOB_WAIT_MAX: Duration = Duration::from_secs(5 * 60);
/// Jobs of one watch.
pub const JOBS_PER_WATCH_MAX: usize = 64;
/// Jobs of one watch that have changed and were not read: beyond, the watch ends.
pub const WATCHED_CHANGED_MAX: usize = 16 << 10;
/// Bytes that the log of jobs may have beyond twice what is live in it, before it is cleaned.
pub const JOBS_CLEAN_FLOOR_BYTES: u64 = 64 << 20;
/// Jobs of one queue that are kept at once, unless the queue says otherwise.
pub const QUEUE_JOBS_MAX: u32 = 1_000_000;
/// How often a job is tried, unless it or its queue says otherwise: Sidekiq and Faktory have 25, Oban has 20.
pub const RETRY_ATTEMPTS: u32 = 20;
/// The longest wait before the second attempt; it doubles with each.
pub const RETRY_BASE: Duration = Duration::from_secs(1);
/// The longest wait before any attempt.
pub const RETRY_MAX: Duration = Duration::from_secs(5 * 60);
/// How long a job is kept that has ended and is not dead.
pub const ENDED_KEPT: Duration = Duration::from_secs(24 * 3600);
/// How many such jobs a queue keeps.
pub const ENDED_MAX: u32 = 10_000;
/// How long a dead job is kept.
pub const DEAD_KEPT: Duration = Duration::from_secs(14 * 24 * 3600);
/// Bytes of one file of a log. A record is never longer.
pub const LOG_SEGMENT_BYTES: usize = 16 << 20;
/// Bytes that may wait to be written to a log.
pub const LOG_PENDING_BYTES_MAX: usize = 8 << 20;
/// Bytes of a user's name.
pub const USER_BYTES_MAX: usize = 128;
/// Bytes of a content type.
pub const CONTENT_TYPE_BYTES_MAX: usize = 128;
/// Bytes of a token, in a hello or in metadata.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// Bytes of the error text in a reply.
pub const REPLY_ERROR_BYTES_MAX: usize = 1024;
/// Bytes of a status message: longer ones reach gRPC's C core as another error (research of 2026-11, grpcio 1.85).
pub const STATUS_MESSAGE_BYTES_MAX: usize = 1024;
/// Bytes of a status' details, for the same reason.
pub const STATUS_DETAILS_BYTES_MAX: usize = 4096;
/// Answers that one session may wait for at once, over all its questions: about 200 bytes are held for each.
pub const REPLIES_ASKED_MAX: usize = 16 << 10;
/// How long a sender pauses when an event of its fills a receiver's outbox beyond half. A receiver asks for that at most
/// 20 times before it reads, so one that has stopped holds a sender up for 100 ms in all.
pub const PRESSED_PAUSE: Duration = Duration::from_millis(5);
/// Places, mostly rooms, that a node begins to listen to in a second.
pub const LISTENS_PER_SECOND: u32 = 4_000;
/// Sessions for which a node asks all others in a second.
pub const FINDS_PER_SECOND: u32 = 2_000;
/// Entries of one page of a list.
pub const PAGE_ENTRIES_MAX: usize = 1000;
/// How long replies are waited for when the emit does not say.
pub const REPLY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// How long replies may be waited for.
pub const REPLY_TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Bytes of each chunk of an upload but the last: with what is around it, it fits in a message of NATS and in a request.
pub const UPLOAD_CHUNK_BYTES: usize = 512 << 10;
/// Room for names, headers and ids around the payload of one event, in bytes.
pub const MESSAGE_OVERHEAD_BYTES: usize = 16 << 10;
/// Bytes of one request message: the largest payload, and room for names, headers and other frames beside it.
pub const REQUEST_BYTES_MAX: usize = PAYLOAD_BYTES_CEILING as usize + (64 << 10);

// A single event always fits the smallest outbox that the configuration may set.
const _: () = assert!(OUTBOX_BYTES_FLOOR as usize > NAME_BYTES_MAX * ROOMS_PER_COMMAND_MAX);
/// Smallest outbox that may be configured, in bytes.
pub const OUTBOX_BYTES_FLOOR: u32 = 16 << 10;

/// All bounds that an operator may set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// What one session may do and hold.
    pub session: SessionLimits,
    /// What one connection may do and hold.
    pub connection: ConnectionLimits,
    /// What the node holds in all.
    pub node: NodeLimits,
}

/// Bytes by which the members of a room are named in one message between nodes: 256 members with 1 KiB of attributes each and
/// their names fit.
pub const MEMBERS_BYTES_MAX: usize = 512 << 10;

/// What one session may do and hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionLimits {
    /// Rooms a session may be in at once, over all namespaces.
    pub rooms_max: u32,
    /// Namespaces a session may be in at once.
    pub namespaces_max: u32,
    /// Emits per second that are sustained; 0 is without bound.
    pub emits_per_second: u32,
    /// Emits that may come at once.
    pub emits_burst: u32,
    /// Emits with expected replies that may be outstanding at once.
    pub replies_outstanding_max: u32,
    /// Frames that may wait in the outbox.
    pub outbox_frames_max: u32,
    /// Bytes that may wait in the outbox.
    pub outbox_bytes_max: u32,
    /// Keys in the headers of an event or the attributes of a session.
    pub headers_max: u32,
    /// Bytes of all keys and values of headers or attributes.
    pub headers_bytes_max: u32,
    /// Time from the call to a complete `Hello`.
    #[serde(with = "duration")]
    pub hello_timeout: Duration,
    /// Silence after which `Listen` sends a `Ping`.
    #[serde(with = "duration")]
    pub ping_interval: Duration,
    /// Time a closed session's stream has for reading its last frames before its connection is cut.
    #[serde(with = "duration")]
    pub close_timeout: Duration,
    /// How long a session outlives its stream; zero: not at all.
    #[serde(with = "duration")]
    pub resume_window: Duration,
    /// Frames that are held after they were sent, until the client has confirmed them, for a stream that may be lost.
    pub replay_frames_max: u32,
    /// Bytes of such frames.
    pub replay_bytes_max: u32,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            rooms_max: 128,
            namespaces_max: 16,
            emits_per_second: 50,
            emits_burst: 100,
            replies_outstanding_max: 256,
            outbox_frames_max: 256,
            outbox_bytes_max: 256 << 10,
            headers_max: 16,
            headers_bytes_max: 1 << 10,
            hello_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(15),
            close_timeout: Duration::from_secs(10),
            resume_window: Duration::from_secs(120),
            replay_frames_max: 1_024,
            replay_bytes_max: 256 << 10,
        }
    }
}

/// What one connection may do and hold. Enforced by `grpc/edge`. A time of zero is without bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionLimits {
    /// Connections of the node at once; accepting pauses beyond. 0: what the descriptor limit allows, less 512.
    pub connections_max: u32,
    /// Connections at once from one IPv4 address or IPv6 /64; 0 is without bound.
    pub connections_per_address_max: u32,
    /// New connections per second from one address; 0 is without bound.
    pub new_per_address_per_second: u32,
    /// Whether the two bounds above count loopback, which all users of a local reverse proxy share.
    pub loopback_counted: bool,
    /// Concurrent HTTP/2 streams on one connection. RFC 9113, 6.5.2, recommends no fewer than 100.
    pub streams_max: u32,
    /// Time for a TLS handshake.
    #[serde(with = "duration")]
    pub tls_timeout: Duration,
    /// Time for the HTTP/2 preface or the head of an HTTP/1 request.
    #[serde(with = "duration")]
    pub preface_timeout: Duration,
    /// How long a connection may stay without a stream.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
    /// Time within which a message that has begun must be complete.
    #[serde(with = "duration")]
    pub message_timeout: Duration,
    /// Bytes of a request's header list.
    pub header_list_bytes_max: u32,
    /// Fields of a request's header list; 0 is without bound.
    pub header_fields_max: u32,
    /// HTTP/2 receive window of a connection, in bytes.
    pub window_bytes: u32,
    /// HTTP/2 receive window of a stream, in bytes.
    pub stream_window_bytes: u32,
    /// Bytes that HTTP/2 holds for one stream toward a slow reader.
    pub stream_send_buffer_bytes: u32,
    /// Streams the peer may reset before the node has accepted them.
    pub pending_resets_max: u32,
    /// Resets by this node that a peer may provoke.
    pub local_error_resets_max: u32,
    /// HTTP/2 ping when the peer was silent for this long.
    #[serde(with = "duration")]
    pub keepalive_interval: Duration,
    /// Time for the answer to it.
    #[serde(with = "duration")]
    pub keepalive_timeout: Duration,
    /// PING, SETTINGS, WINDOW_UPDATE, PRIORITY, RST_STREAM and empty frames in 10 s beyond those that what the node
    /// has sent explains; 0 is without bound.
    pub control_frames_max: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 0,
            connections_per_address_max: 64,
            new_per_address_per_second: 20,
            loopback_counted: false,
            streams_max: 100,
            tls_timeout: Duration::from_secs(5),
            preface_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            message_timeout: Duration::from_secs(10),
            header_list_bytes_max: 8 << 10,
            header_fields_max: 64,
            window_bytes: 128 << 10,
            stream_window_bytes: 64 << 10,
            stream_send_buffer_bytes: 64 << 10,
            pending_resets_max: 20,
            local_error_resets_max: 64,
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            control_frames_max: 200,
        }
    }
}

/// What the node holds in all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeLimits {
    /// Sessions at once of one user.
    pub sessions_per_user_max: u32,
    /// Sessions at once from one address.
    pub sessions_per_address_max: u32,
    /// Greetings per second, over all connections.
    pub hellos_per_second: u32,
    /// Greetings per second that take up a session, over all connections.
    pub resumes_per_second: u32,
    /// Namespaces that exist at once, those of the configuration not counted.
    pub namespaces_max: u32,
    /// Rooms that one user may create per minute.
    pub rooms_created_per_minute: u32,
    /// Room watches at once.
    pub watches_max: u32,
    /// Revocations that are kept at once.
    pub revocations_max: u32,
    /// Queues of jobs.
    pub queues_max: u32,
    /// Bytes of all jobs together: they are held in memory.
    pub jobs_bytes_max: u64,
    /// Bytes of one payload that is uploaded by itself.
    pub upload_bytes_max: u64,
    /// Bytes of all such payloads together, on the disk of the node or in the stream of the cluster.
    pub uploads_bytes_max: u64,
    /// How long such a payload is kept without a job that names it.
    #[serde(with = "duration")]
    pub uploads_kept: Duration,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            sessions_per_user_max: 16,
            sessions_per_address_max: 64,
            hellos_per_second: 500,
            resumes_per_second: 2_000,
            namespaces_max: 10_000,
            rooms_created_per_minute: 10,
            watches_max: 64,
            revocations_max: 100_000,
            queues_max: 10_000,
            jobs_bytes_max: 1 << 30,
            upload_bytes_max: 4 << 30,
            uploads_bytes_max: 16 << 30,
            uploads_kept: Duration::from_hours(24),
        }
    }
}
