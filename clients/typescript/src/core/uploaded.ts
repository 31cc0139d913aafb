// A payload that was uploaded by itself, because it is too large for a message: what names it, and how a body that names one
// differs from a body that carries its payload. Pure.

import type { Init } from "../wire/message.js";
import type { JobBody } from "../gen/rialto/v1/job_pb.js";
import { invalid } from "./errors.js";
import { toBody, type Body, type Payload } from "./event.js";

/** A payload that was uploaded: given as the payload of a job, the job has it. Good for one queue, and for one that is put in by
 * itself: not in chains, in schedules and as a result. */
export class Uploaded {
  /** What it is called. Whoever knows it and may enqueue or work in the queue can read it. */
  readonly uploadId: string;
  /** Its bytes in all. */
  readonly bytes: number;

  constructor(uploadId: string, bytes: number) {
    this.uploadId = uploadId;
    this.bytes = bytes;
  }
}

/** A payload in the protocol's form, with its media type. */
export function toJobBody(payload: Payload | Uploaded, contentType?: string): Init<JobBody> {
  if (!(payload instanceof Uploaded)) return toBody(payload, contentType);
  const value = { uploadId: payload.uploadId, bytes: BigInt(payload.bytes) };
  return { body: { case: "uploaded", value }, contentType: contentType ?? "" };
}

/** The upload that a body names, if it names one. */
export function uploadedOf(body: JobBody | undefined): Uploaded | undefined {
  if (body?.body.case !== "uploaded") return undefined;
  const { uploadId, bytes } = body.body.value;
  return new Uploaded(uploadId, Number(bytes));
}

/** What a body carries. One that names an upload carries nothing: whoever takes that for an empty payload would lose it, so it
 * throws. */
export function carried(body: JobBody | undefined): Body {
  if (!body) return { case: undefined };
  if (body.body.case !== "uploaded") return body.body;
  throw invalid("the payload was uploaded by itself: read it with read()");
}
