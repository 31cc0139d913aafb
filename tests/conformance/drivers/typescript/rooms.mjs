// Namespaces and rooms: being there, saying, hearing, asking, answering.

import { emitOptions, number, payloadOf, targetOf, tellAccepted, tellEvent, tellPayload, Wrong } from "./content.mjs";

export const verbs = {
  enter: (driver, command) => driver.session(command).namespace(command.namespace).enter(),
  leave: (driver, command) => driver.session(command).namespace(command.namespace).leave(),
  join: async (driver, command, signal) => {
    const { newest, presence, state, delta } = command;
    const recover = command.recover && { epoch: command.recover.epoch, offset: BigInt(command.recover.offset) };
    const joined = await driver.room(command).join({ newest, presence, state, delta, recover, signal });
    return { epoch: joined.epoch, offset: number(joined.offset), members: joined.count };
  },
  part: async (driver, command) => ({ parted: await driver.room(command).part() }),
  room: (driver, command) => {
    const { status, position } = driver.room(command);
    return { status: status.current.state, epoch: position?.epoch, offset: number(position?.offset) };
  },
  emit: async (driver, command, signal) => {
    const destination = driver.session(command).namespace(command.namespace).to(targetOf(command));
    return tellAccepted(await destination.emit(command.event, payloadOf(command), emitOptions(command, signal)));
  },
  ask: async (driver, command, signal) => {
    const destination = driver.session(command).namespace(command.namespace).to(targetOf(command));
    const { volatile, latest, ...options } = emitOptions(command, signal);
    const asking = destination.emitWithReplies(command.event, payloadOf(command), { ...options, timeoutMs: command.timeout_ms });
    const { replies, answered, missing, timedOut } = await asking.collect();
    return { replies: replies.map(tellReply), answered, missing: missing.map(({ from }) => from.user), timed_out: timedOut };
  },
  listen: (driver, command) => {
    const namespace = driver.session(command).namespace(command.namespace);
    const from = command.room === "" ? namespace : namespace.room(command.room);
    const events = from.events(command.event ? { event: command.event } : {});
    const stream = { letGo: () => {}, last: undefined };
    const released = new Promise((resolve) => (stream.letGo = resolve));
    driver.streams.set(command.as, stream);
    void read(driver, command, events, stream, command.hold ? released : undefined);
  },
  let_go: (driver, command) => driver.stream(command).letGo(),
  reply: async (driver, command) => {
    const { last } = driver.stream(command);
    if (!last) throw new Wrong("nothing was heard");
    await (command.error === undefined ? last.reply(payloadOf(command), command.content_type) : last.replyError(command.error));
  },
};

/** An answer as it is told. */
export function tellReply({ from, payload, contentType, error }) {
  return { user: from.user, ...(error === undefined ? tellPayload(payload, contentType) : { error }) };
}

async function read(driver, command, events, stream, released) {
  await released;
  for await (const event of events) {
    driver.tell(command.as, "event", tellEvent(event));
    if (event.wantsReply && command.reply !== undefined) await event.reply(command.reply);
    else if (event.wantsReply && command.reply_error !== undefined) await event.replyError(command.reply_error);
    stream.last = event;
  }
  driver.tell(command.as, "ended", true);
}
