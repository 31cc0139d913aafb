// Queues of jobs: putting in, looking, steering.

import { failureOf, payloadOf } from "./content.mjs";

export const verbs = {
  enqueue: async (driver, command, signal) => {
    const jobs = queueOf(driver, command);
    const made = await Promise.all(command.jobs.map((job) => newJob(jobs, job)));
    const outcomes = await jobs.enqueue(made, { signal });
    return { jobs: outcomes.map(({ id, duplicate, error }) => (error ? { refused: error.code } : { job_id: id, duplicate })) };
  },
  get_job: async (driver, command) => tellJob(await queueOf(driver, command).get(command.job_id)),
  wait_job: async (driver, command, signal) => {
    const { timeout_ms: timeoutMs = 10_000 } = command;
    return tellJob(await queueOf(driver, command).wait(command.job_id, { timeoutMs, signal }));
  },
  list_jobs: async (driver, command) => {
    const { states, type, attributes } = command;
    const filter = Object.fromEntries(Object.entries({ states, type, attributes }).filter(([, value]) => value !== undefined));
    const jobs = [];
    for await (const { id, state } of queueOf(driver, command).list(filter)) jobs.push({ job_id: id, state });
    return { jobs };
  },
  watch_jobs: async (driver, command) => {
    const jobs = queueOf(driver, command).watch(command.job_ids);
    await jobs.open();
    void watch(driver, command.as, jobs);
  },
  cancel_job: async (driver, command) => tellJob(await queueOf(driver, command).cancel(command.job_id, { reason: command.reason ?? "" })),
  pause_job: async (driver, command) => tellJob(await queueOf(driver, command).pauseJob(command.job_id)),
  resume_job: async (driver, command) => tellJob(await queueOf(driver, command).resumeJob(command.job_id)),
  redrive_jobs: async (driver, command) => ({ count: await queueOf(driver, command).redrive(command.job_ids) }),
  close_batch: async (driver, command) => tellJob(await queueOf(driver, command).closeBatch(command.job_id)),
  queue: async (driver, command) => tellQueue(await queueOf(driver, command).queue()),
  pause_queue: async (driver, command) => tellQueue(await queueOf(driver, command).pause()),
  resume_queue: async (driver, command) => tellQueue(await queueOf(driver, command).resume()),
  purge_queue: async (driver, command) => ({ count: await queueOf(driver, command).purge() }),
  put_schedule: async (driver, command) => {
    const { schedule_id: id, cron, time_zone: timeZone = "" } = command;
    await queueOf(driver, command).putSchedule({ id, cron, timeZone, job: { payload: payloadOf(command) } });
  },
  delete_schedule: (driver, command) => queueOf(driver, command).deleteSchedule(command.schedule_id),
  schedules: async (driver, command) => ({ schedules: (await queueOf(driver, command).schedules()).map(({ id }) => id) }),
};

function queueOf(driver, command) {
  return driver.client(command).jobs(command.namespace, command.queue);
}

async function newJob(jobs, item) {
  const job = {
    id: item.job_id,
    type: item.type,
    payload: item.upload_bytes === undefined ? payloadOf(item) : await jobs.upload(pattern(item.upload_bytes)),
    contentType: item.content_type,
    attributes: item.attributes,
    priority: item.priority,
    fairnessKey: item.fairness_key,
    orderingKey: item.ordering_key,
    uniqueKey: item.unique_key,
    delayMs: item.delay_ms,
    ttlMs: item.ttl_ms,
    retry: retry(item),
    batch: item.batch,
    completesBatch: item.completes_batch,
    chain: item.then?.map((next) => ({ payload: payloadOf(next) })),
    notify: item.notify_room === undefined ? undefined : [{ room: item.notify_room }],
  };
  return Object.fromEntries(Object.entries(job).filter(([, value]) => value !== undefined));
}

function retry({ attempts_max: attemptsMax = 0, backoff_ms: ms }) {
  return ms === undefined ? { attemptsMax } : { attemptsMax, baseMs: ms, maxMs: ms };
}

/** Bytes by which a reader sees whether they are right. */
function pattern(count) {
  return Uint8Array.from({ length: count }, (_, index) => index % 251);
}

function tellJob({ id, state, ended, attempt, result, error, progress }) {
  return { job_id: id, state, ended, attempt, result: result?.text, error: error?.message, progress };
}

function tellQueue({ paused, counts: { waiting, running, dead } }) {
  return { paused, waiting, running, dead };
}

async function watch(driver, by, jobs) {
  try {
    for await (const job of jobs) driver.tell(by, "job", tellJob(job));
    driver.tell(by, "ended", true);
  } catch (error) {
    driver.tell(by, "failed", failureOf(error));
  }
}
