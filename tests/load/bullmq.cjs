// The peer: BullMQ as its documentation shows it, on one Redis. It says `ready` when it is connected and begins with a line
// on its standard input.
//   node bullmq.cjs produce PORT JOBS CALLERS BATCH BYTES   adds jobs in bulk, then says how many as one line of JSON
//   node bullmq.cjs work PORT CONCURRENCY                   works until its input ends; says how many it has completed since
//                                                           it last said so, at the end what it has done in all
//   node bullmq.cjs count PORT                              says how many jobs there are in each state
const { createInterface } = require("node:readline");
const { Queue, Worker } = require("bullmq");

const NAME = "bench";
const SAY_EVERY_MS = 10;

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const fail = (error) => {
  console.error(error);
  process.exit(1);
};

// Resolves with the first line; `ended` resolves with the end of the input.
function input() {
  const lines = createInterface({ input: process.stdin });
  const begun = new Promise((resolve) => lines.once("line", resolve));
  const ended = new Promise((resolve) => lines.once("close", resolve));
  return { begun, ended };
}

async function produce(connection, [jobs, callers, batch, bytes]) {
  // A job that is done is gone, as with the other peers; one that has failed stays and is found.
  const queue = new Queue(NAME, { connection, defaultJobOptions: { removeOnComplete: true } });
  queue.on("error", fail);
  await queue.waitUntilReady();
  const { begun } = input();
  say("ready");
  await begun;
  const data = "x".repeat(bytes);
  let added = 0;
  const caller = async (share) => {
    for (let left = share; left > 0; left -= batch) {
      const count = Math.min(batch, left);
      const done = await queue.addBulk(Array.from({ length: count }, () => ({ name: "job", data })));
      added += done.filter((job) => job.id !== undefined).length;
    }
  };
  const share = (number) => Math.floor(jobs / callers) + (number < jobs % callers ? 1 : 0);
  await Promise.all(Array.from({ length: callers }, (_, number) => caller(share(number))));
  say({ added });
  await queue.close();
}

async function work(connection, [concurrency]) {
  const worker = new Worker(NAME, async () => {}, { connection, concurrency, autorun: false });
  let [said, completed, failed] = [0, 0, 0];
  worker.on("completed", () => (completed += 1));
  worker.on("failed", () => (failed += 1));
  worker.on("error", fail);
  await worker.waitUntilReady();
  const { begun, ended } = input();
  say("ready");
  await begun;
  worker.run().catch(fail);
  const timer = setInterval(() => {
    if (completed > said) say({ completed: completed - said });
    said = completed;
  }, SAY_EVERY_MS);
  await ended;
  clearInterval(timer);
  await worker.close();
  say({ all: completed, failed });
}

async function count(connection) {
  const queue = new Queue(NAME, { connection });
  say(await queue.getJobCounts());
  await queue.close();
}

const [role, port, ...numbers] = process.argv.slice(2);
const connection = { host: "127.0.0.1", port: Number(port) };
({ produce, work, count })[role](connection, numbers.map(Number)).catch(fail);
