// Queues for tests of jobs: each with who hands work over and who does it, over both shapes, and gone after its test.

import { deepEqual } from "node:assert/strict";
import { Wire } from "../../../../tests/browser/lib/wire.mjs";
import { fresh, url } from "./shapes.mjs";

/** Where there is no stream, a worker that stops waits for its last call. */
const LEASE_WAIT_MS = 500;
/** Tries come quickly. */
export const QUICK = { baseMs: 1, maxMs: 1 };
const BACKOFF = { firstMs: 20, maxMs: 100 };

/** A queue at a server, over one shape. */
export class Desk {
  /** What workers went on in spite of. */
  troubles = [];
  #workers = [];
  #clients = [];
  #wires = [];
  #module;
  #url;

  constructor(t, module, at = url) {
    this.#module = module;
    this.#url = at;
    this.place = { namespace: "default", queue: fresh("queue") };
    this.client = this.connect(at);
    this.jobs = new module.Jobs(this.client, this.place);
    t.after(() => this.#close());
  }

  /** Another client. */
  connect(at = this.#url, options = {}) {
    const client = this.#module.createClient(at, { deadlineMs: 20_000, ...options });
    this.#clients.push(client);
    return client;
  }

  /** A wire to the server that can be cut, and a client over it. */
  async wire() {
    const wire = await Wire.to(this.#url);
    this.#wires.push(wire);
    return { wire, client: this.connect(wire.url) };
  }

  /** Has a function do the jobs. */
  work(fn, { client = this.client, run = {}, ...options } = {}) {
    const onError = (error, job) => this.troubles.push([error.code, job?.id]);
    const worker = new this.#module.Worker(client, { queues: [this.place], leaseWaitMs: LEASE_WAIT_MS, backoff: BACKOFF, onError, ...options });
    const ended = worker.run(fn, run);
    ended.catch(() => {});
    this.#workers.push(worker);
    return { worker, ended };
  }

  async #close() {
    await Promise.all(this.#workers.map((worker) => worker.stop({ timeoutMs: 0 })));
    for (const client of this.#clients) client.close();
    for (const wire of this.#wires) await wire.close();
  }
}

/** A promise that the test settles. */
export function gate() {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  return { open, opened };
}

/** Resolves when the signal fires, with why. */
export function fired(signal) {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(signal.reason), { once: true }));
}

/** Names of many jobs. */
export const names = (count) => Array.from({ length: count }, (_, index) => `job-${index}`);

/** Each job has ended, and in this state. */
export async function allEnd(jobs, ids, state) {
  const ended = await Promise.all(ids.map((id) => jobs.wait(id)));
  deepEqual(ended.filter((job) => job.state !== state).map(({ id, state, error }) => [id, state, error]), []);
  return ended;
}
