// What rooms keep: histories, presence, keyed state; of a session or of a client without one.

import { number, payloadOf, tellEvent, tellPayload } from "./content.mjs";

export const verbs = {
  history: async (driver, command, signal) => {
    const { newest, from, before, since_ms, page_size: pageSize } = command;
    const since = since_ms === undefined ? undefined : new Date(since_ms);
    const options = Object.fromEntries(Object.entries({ newest, from, before, since, pageSize }).filter(([, value]) => value !== undefined));
    const history = keeper(driver, command, "history", { ...options, signal });
    if (newest !== undefined) return { events: (await history.collect()).map(tellEvent) };
    const events = [];
    let pages = 0;
    for await (const page of history) {
      events.push(...page.events.map(tellEvent));
      pages++;
    }
    return { events, pages };
  },
  presence: async (driver, command) => {
    const presence = keeper(driver, command, "presence");
    if (command.of === "counts") {
      const { count, users } = await presence.counts();
      return { sessions: count, users };
    }
    if (command.of === "users") return { users: (await all((query) => presence.users(query))).map(({ user }) => user) };
    return { members: await all((query) => presence.members(query)) };
  },
  who: (driver, command) => {
    const { members, count, complete } = driver.room(command).presence.current;
    return { users: [...members.values()].map(({ user }) => user).sort(), count, complete };
  },
  watch_presence: (driver, command) => {
    const { presence } = driver.room(command);
    presence.onChange(({ joined, left, count }) => {
      const users = (members) => members.map(({ user }) => user);
      const here = joined.filter(({ away }) => !away);
      const away = joined.filter(({ away }) => away);
      driver.tell(command.as, "presence", { joined: users(here), away: users(away), left: users(left), count });
    });
  },
  get_state: async (driver, command) => {
    const entry = await keeper(driver, command, "state").get(command.key);
    if (!entry) return { found: false };
    return { found: true, revision: number(entry.revision), ...tellPayload(entry.value, entry.contentType) };
  },
  all_state: async (driver, command) => {
    const entries = await keeper(driver, command, "state").all();
    return { entries: Object.fromEntries([...entries].map(([key, { text }]) => [key, text])) };
  },
  set_state: async (driver, command, signal) => {
    const options = { contentType: command.content_type, expiresInMs: command.expires_in_ms, ...condition(command), signal };
    const { revision } = await keeper(driver, command, "state").set(command.key, payloadOf(command), options);
    return { revision: number(revision) };
  },
  remove_state: async (driver, command, signal) => {
    const { revision } = await keeper(driver, command, "state").remove(command.key, { ...condition(command), signal });
    return { revision: number(revision) };
  },
  watch_state: (driver, command) => {
    void watchState(driver, command.as, driver.room(command).state.watch());
  },
};

/** What a room keeps, from a session or from a client. */
function keeper(driver, command, what, options) {
  if (driver.sessions.has(command.by)) {
    const room = driver.room(command);
    return what === "history" ? room.history(options) : room[what];
  }
  return driver.client(command)[what]({ namespace: command.namespace, room: command.room }, options);
}

function condition({ if_revision, if_absent }) {
  if (if_absent) return { ifAbsent: true };
  return if_revision === undefined ? {} : { ifRevision: BigInt(if_revision) };
}

/** The entries of all pages. */
async function all(ask) {
  const found = [];
  for (let pageToken = ""; ; ) {
    const { entries, nextPageToken } = await ask({ pageToken });
    found.push(...entries);
    if (nextPageToken === "") return found;
    pageToken = nextPageToken;
  }
}

async function watchState(driver, by, watch) {
  for await (const { entries, whole } of watch) {
    const told = entries.map(({ key, entry }) => [key, entry ? entry.text : null]);
    driver.tell(by, "state", { entries: Object.fromEntries(told), whole });
  }
  driver.tell(by, "ended", true);
}
