// The parts of the client that need no particular runtime. Browsers import `@rialto/client/web`, Node imports
// `@rialto/client/node`; both export everything that stands here.

export { Assignment } from "./core/assignment.js";
export type { BackoffOptions } from "./core/backoff.js";
export type { CallOptions, Callee, RoomsOptions, RoomsPage } from "./core/beside.js";
export type { Burst, Carrier, Inflate, Stream, Surroundings } from "./core/carrier.js";
export { Client, type CallWait, type ClientLine, type ClientOptions } from "./core/client.js";
export type { Accepted, AskOptions, Durability, EmitOptions, TargetOptions } from "./core/command.js";
export { RialtoError, type CloseName, type ErrorCode, type LocalCode, type RefusalName, type RetryHint } from "./core/errors.js";
export { RialtoEvent, type Payload, type RoomPlace, type Who } from "./core/event.js";
export { openHalves } from "./core/halves.js";
export { History, type HistoryOptions, type HistoryPage } from "./core/history.js";
export { Job, JobContent, type JobBatch, type JobError, type JobProgress, type JobState } from "./core/job.js";
export type { JobCounts, JobQueue, QueueSettings } from "./core/jobqueue.js";
export { Listing, type Page } from "./core/listing.js";
export type { EventsOptions, Listener } from "./core/listeners.js";
export { Namespace, type Destination } from "./core/namespace.js";
export type { ChainedJob, JobNotify, NewJob, RetryPolicy } from "./core/newjob.js";
export type { Observable, Unsubscribe } from "./core/observable.js";
export { VERSION, type SessionOptions, type TokenSource } from "./core/options.js";
export { Discard, Fail, Release, type FailOptions } from "./core/outcome.js";
export type { Batch, OfflineOptions, Overflow } from "./core/outbox.js";
export type { Place } from "./core/position.js";
export type { Member, Presence, PresenceChange, PresenceMap, PresencePage, PresenceQuery } from "./core/presence.js";
export { ReplyStream, type Answers, type Reply, type Summary } from "./core/replies.js";
export { Room, type JoinOptions, type Missed, type RoomStatus } from "./core/room.js";
export type { Schedule, ScheduledJob, ScheduleStatus } from "./core/schedule.js";
export { Session } from "./core/session.js";
export type { WorkerQueue } from "./core/shift.js";
export type { RoomStateView, SetOptions, StateChange, StateEntry, StateMap, StateSet, WatchOptions } from "./core/state.js";
export type { SessionLimits, Status } from "./core/status.js";
export type { Arrival } from "./core/thread.js";
export { openWhole } from "./core/whole.js";
export { Jobs, type Enqueued, type EnqueueOutcome, type JobFilter, type JobWait, type NotEnqueued, type QueuePlace } from "./jobs.js";
export { Worker, type StopOptions, type Work, type WorkContext, type WorkerOptions } from "./worker.js";
