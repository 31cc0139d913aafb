// Points in time and durations as protobuf knows them.

import { MessageType } from "./message.js";

/** Seconds and nanoseconds. */
export interface Duration {
  seconds: bigint;
  nanos: number;
}

/** Seconds and nanoseconds since 1970. */
export interface Timestamp {
  seconds: bigint;
  nanos: number;
}

/** How a `Duration` travels. */
export const DurationSchema = /*@__PURE__*/ new MessageType<Duration>("seconds=1I nanos=2i");
/** How a `Timestamp` travels. */
export const TimestampSchema = /*@__PURE__*/ new MessageType<Timestamp>("seconds=1I nanos=2i");

/** The same for JavaScript. */
export function timestampDate({ seconds, nanos }: Timestamp): Date {
  return new Date(Number(seconds) * 1000 + Math.ceil(nanos / 1e6));
}

/** The same for protobuf. */
export function timestampFromDate(date: Date): Timestamp {
  const ms = date.getTime();
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: (ms - seconds * 1000) * 1e6 };
}
