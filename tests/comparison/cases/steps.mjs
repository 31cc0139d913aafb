// Steps that several cases take: clients that enter a room, writers that keep a rate, and the last event that shows
// that whatever was to come has come.

import { pause, settled, until } from "../wait.mjs";

export const ROOM = "room";
export const USER = "ann";

/** `count` texts, `name:0` and so on. */
export function texts(name, count) {
  return Array.from({ length: count }, (_, index) => `${name}:${index}`);
}

/** Runs `body` with a site, and ends the site whatever happens. */
export async function at(system, options, body) {
  const site = await system.site(options);
  try {
    return await body(site);
  } finally {
    await site.close();
  }
}

/** A client in the room. With `warm` it has heard one event. */
export async function member(site, { user = USER, warm = true, ...options } = {}) {
  const client = await site.client(user, options);
  await client.join(ROOM);
  if (warm) await hear(site, client, `warm-${user}`);
  return client;
}

/** Says one thing to the room and waits until the client has heard it. */
export async function hear(site, client, text) {
  await site.broadcast(ROOM, text);
  await until(`${client.user} hears ${text}`, () => client.texts.includes(text));
}

/** Says all of `sent` to the room; where a server can say that it has taken them, it has. */
export async function say(site, sent) {
  for (const text of sent) await site.broadcast(ROOM, text);
  await site.said?.();
}

/** Cuts the client off, says `sent` meanwhile, and lets it come back. Resolves to what the client was told. */
export async function away(site, client, sent, awayMs = 0) {
  await client.cut();
  await say(site, sent);
  await pause(awayMs);
  client.link.heal();
  const back = await client.back();
  await end(site, client);
  return back;
}

/** Waits until the client has heard everything it is going to hear. */
export async function end(site, client, name = "end") {
  await hear(site, client, `${name}-${client.user}`);
  await settled(() => client.heard.length);
}

/** Says `perSecond` events each second until it is stopped; `stop()` resolves to what was said. */
export function writer(site, name, perSecond) {
  const sent = [];
  const began = performance.now();
  let going = true;
  const written = (async () => {
    while (going) {
      const due = Math.floor(((performance.now() - began) * perSecond) / 1_000);
      while (sent.length < due) {
        const text = `${name}:${sent.length}`;
        sent.push(text);
        await site.broadcast(ROOM, text);
      }
      await pause(1);
    }
  })();
  return {
    stop: async () => {
      going = false;
      await written;
      await site.said?.();
      return sent;
    },
  };
}
