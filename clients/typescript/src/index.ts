// The parts of the client that need no particular runtime. Browsers import `@rialto/client/web`, Node imports
// `@rialto/client/node`; both export everything that stands here.

export { Admin, type Revocation, type Revoked, type RevokeOptions, type RevokeOutcome } from "./core/admin.js";
export { Assignment } from "./core/assignment.js";
export type { BackoffOptions } from "./core/backoff.js";
export { Caller, type ClientLine, type ClientOptions } from "./core/caller.js";
export type { CallOptions, Callee } from "./core/calling.js";
export type { Burst, Carrier, Inflate, Stream, Surroundings } from "./core/carrier.js";
export type { UploadSource } from "./core/chunks.js";
export { Client, type Publication, type PublishOutcome, type SettableState } from "./core/client.js";
export type { Accepted, AskOptions, Durability, EmitOptions, TargetOptions } from "./core/command.js";
export type { Waiting } from "./core/commands.js";
export type { Violation } from "./core/details.js";
export {
  Directory,
  type DisconnectOptions,
  type ListOptions,
  type MembersChanged,
  type NamespaceSettings,
  type NamespaceStatus,
  type NodesPage,
  type RoomEntry,
  type RoomEvent,
  type RoomsOptions,
  type SessionStatus,
} from "./core/directory.js";
export { RialtoError, type Advice, type CloseName, type ErrorCode, type ErrorKind, type LocalCode, type RefusalName } from "./core/errors.js";
export { RialtoEvent, type Payload, type RoomPlace, type Who } from "./core/event.js";
export { openHalves } from "./core/halves.js";
export { History, type HistoryOptions, type HistoryPage } from "./core/history.js";
export { Job, JobContent, type JobBatch, type JobError, type JobProgress, type JobState } from "./core/job.js";
export type { JobCounts, JobQueue, QueueSettings } from "./core/jobqueue.js";
export type { CallWait, RoomName, RoomPresence } from "./core/kept.js";
export { Listing, type Page } from "./core/listing.js";
export type { EventsOptions, Listener } from "./core/listeners.js";
export { Namespace, type Destination } from "./core/namespace.js";
export type { ChainedJob, JobNotify, NewJob, RetryPolicy } from "./core/newjob.js";
export type { Observable, Unsubscribe } from "./core/observable.js";
export { VERSION, type SessionOptions } from "./core/options.js";
export { Discard, Fail, Release, type FailOptions } from "./core/outcome.js";
export type { Batch, OfflineOptions, Overflow } from "./core/outbox.js";
export type { Place } from "./core/position.js";
export type { AsksPresence, Counts, Member, Presence, PresenceChange, PresenceMap, PresenceQuery, UserPresence } from "./core/presence.js";
export type { ReadOptions } from "./core/reading.js";
export { ReplyStream, type Answers, type Reply, type Summary } from "./core/replies.js";
export type { Report } from "./core/reports.js";
export { Room, type JoinedRoom, type JoinOptions, type Missed, type RoomStatus } from "./core/room.js";
export type { Schedule, ScheduledJob, ScheduleStatus } from "./core/schedule.js";
export { Session } from "./core/session.js";
export type { WorkerQueue } from "./core/shift.js";
export type {
  AsksState,
  KeyChange,
  RoomStateView,
  SetOptions,
  StateChange,
  StateCondition,
  StateEntry,
  StateMap,
  StateQuery,
  StateSet,
  WatchOptions,
} from "./core/state.js";
export type { SessionLimits, Status } from "./core/status.js";
export type { Arrival } from "./core/thread.js";
export type { Token, TokenSource } from "./core/token.js";
export type { EventName, Said, Untyped } from "./core/typed.js";
export { Uploaded } from "./core/uploaded.js";
export type { UploadOptions } from "./core/uploading.js";
export type { JobWatch } from "./core/watching.js";
export { openWhole } from "./core/whole.js";
export { Jobs, type Enqueued, type EnqueueOutcome, type JobFilter, type JobWait, type NotEnqueued, type QueuePlace } from "./jobs.js";
export { Worker, type StopOptions, type Work, type WorkContext, type WorkerOptions } from "./worker.js";
export { StatusError, type Detail } from "./wire/status.js";
export type { CallLimits, Transport } from "./wire/transport.js";
