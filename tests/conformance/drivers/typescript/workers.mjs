// Workers, whose jobs run until they are told how to end.

import { failureOf, tellPayload, Wrong } from "./content.mjs";

export const verbs = {
  work: (driver, command) => {
    const { Discard, Fail, Release } = driver.module();
    const running = new Map();
    const { concurrency, lease_ms: leaseMs, signals } = command;
    const options = Object.fromEntries(Object.entries({ concurrency, leaseMs, signals }).filter(([, value]) => value !== undefined));
    const queues = command.queues.map((queue) => ({ namespace: command.namespace, ...queue }));
    const worker = driver.client(command).worker({ queues, byCalls: command.shape === "calls", ...options });
    const ended = worker.run((job) => work(driver, command.as, running, job));
    ended.then(
      () => driver.tell(command.as, "stopped", true),
      (error) => driver.tell(command.as, "failed", failureOf(error)),
    );
    driver.workers.set(command.as, { worker, running, outcomes: { Discard, Fail, Release } });
  },
  stop_work: (driver, command) => driver.worker(command).worker.stop(),
  finish: (driver, command) => {
    const { running, outcomes } = driver.worker(command);
    const { end } = jobOf(driver, command);
    running.delete(command.job_id);
    end(() => outcome(command, outcomes));
  },
  progress: (driver, command) => {
    const { at = 0, total = 0, message = "" } = command;
    jobOf(driver, command).job.progress(at, total, message);
  },
  checkpoint: (driver, command) => jobOf(driver, command).job.checkpoint(command.text),
  read_payload: async (driver, command) => {
    const { offset = 0 } = command;
    let at = offset;
    let right = true;
    for await (const piece of jobOf(driver, command).job.read(offset)) {
      for (const byte of piece) right &&= byte === at++ % 251;
    }
    return { bytes: at - offset, right };
  },
};

function jobOf(driver, command) {
  const found = driver.worker(command).running.get(command.job_id);
  if (!found) throw new Wrong(`${command.job_id} is not worked on`);
  return found;
}

/** Works on a job until somebody says how it ends. */
async function work(driver, by, running, job) {
  const ended = new Promise((end) => running.set(job.id, { job, end }));
  driver.tell(by, "begun", begun(job));
  const cancelled = () => {
    const lost = job.cancelled.reason.kind === "lease_lost";
    driver.tell(by, lost ? "lease_lost" : "cancelling", job.id);
  };
  job.cancelled.addEventListener("abort", cancelled, { once: true });
  job.toPause.addEventListener("abort", () => driver.tell(by, "pausing", job.id), { once: true });
  const finish = await ended;
  job.cancelled.removeEventListener("abort", cancelled);
  return finish();
}

function begun({ id, queue, type, attempt, lastCheckpoint, previousResult, payload, uploaded, contentType }) {
  return {
    job_id: id,
    queue,
    type,
    attempt,
    checkpoint: new TextDecoder().decode(lastCheckpoint),
    previous_result: previousResult?.text,
    ...(uploaded ? {} : tellPayload(payload, contentType)),
  };
}

function outcome({ result, fail, release, discard }, { Discard, Fail, Release }) {
  if (fail) throw new Fail(fail.message, { permanent: fail.permanent ?? false, retryAfterMs: fail.retry_after_ms });
  if (release) throw new Release(release.delay_ms ?? 0);
  if (discard) throw new Discard(discard.reason);
  return result;
}
