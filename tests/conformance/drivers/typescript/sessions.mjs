// Sessions: how they begin and end, and what they tell about themselves.

import { number } from "./content.mjs";

export const verbs = {
  connect: async (driver, command, signal) => {
    const { by, url, shape } = command;
    const session = await driver.module(shape).connect(url, { ...options(driver, command), signal });
    driver.sessions.set(by, session);
    watch(driver, by, session);
    const { current } = session.status;
    return { session: session.id, user: current.user };
  },
  close: async (driver, command) => {
    const session = driver.session(command);
    driver.sessions.delete(command.by);
    await session.close();
  },
  session: (driver, command) => {
    const session = driver.session(command);
    return { session: session.id, status: session.status.current.state };
  },
  ping: (driver, command, signal) => driver.session(command).ping({ signal }),
  refresh: (driver, command, signal) => driver.session(command).refresh(command.token, { signal }),
  retry_now: (driver, command) => driver.session(command).retryNow(),
  clear_buffer: (driver, command) => ({ count: driver.session(command).clearOfflineBuffer() }),
};

function options(driver, command) {
  const { user, token, tokens, attributes, deadline_ms, connect_timeout_ms, wait, offline, events_waiting } = command;
  const given = {
    user,
    token: tokens ? oneAfterTheOther(driver, command) : token,
    attributes,
    deadlineMs: deadline_ms,
    connectTimeoutMs: connect_timeout_ms,
    waitForServer: wait,
    offlineBuffer: offline && buffer(offline),
    eventsWaiting: events_waiting,
  };
  return defined(given);
}

function buffer({ count, bytes, age_ms, overflow }) {
  return defined({ countMax: count, bytesMax: bytes, ageMaxMs: age_ms, overflow });
}

function defined(table) {
  return Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined));
}

/** A callback that gives out one answer after the other, the last one for ever. */
function oneAfterTheOther(driver, { by, tokens }) {
  let asked = 0;
  return () => {
    const answer = tokens[Math.min(asked++, tokens.length - 1)];
    driver.tell(by, "token_asked", asked);
    if (typeof answer === "string") return answer;
    if (answer.fails) throw new Error("no token today");
    const { text, expires_in_ms } = answer;
    return expires_in_ms === undefined ? text : { token: text, expiresInMs: expires_in_ms };
  };
}

/** Tells what becomes of a session. */
function watch(driver, by, session) {
  let first = true;
  session.status.subscribe((status) => {
    if (!first) {
      driver.tell(by, "status", status.state);
      if (status.state === "closed") driver.tell(by, "closed", { code: status.error.code });
    }
    first = false;
  });
  session.onReport((report) => {
    const told = REPORTS[report.kind]?.(report);
    if (told) driver.tell(by, ...told);
  });
}

const REPORTS = {
  reconnected: ({ resumed }) => ["reconnected", { resumed }],
  missed: ({ namespace, rooms, count, fromOffset, toOffset }) =>
    ["missed", { namespace, rooms, count, from_offset: number(fromOffset), to_offset: number(toOffset) }],
  rejoin_refused: ({ namespace, room, error }) => ["rejoin_refused", { namespace, room, code: error.code }],
  joined: ({ namespace, rooms }) => ["joined", { namespace, rooms }],
  parted: ({ namespace, rooms }) => ["parted", { namespace, rooms }],
  draining: () => ["draining", true],
  token_unavailable: () => ["token_unavailable", true],
  refused: ({ error }) => ["refused", { code: error.code }],
};
