// Clients without a session: publishing, calling, looking inside.

import { emitOptions, payloadOf, targetOf, tellAccepted } from "./content.mjs";
import { tellReply } from "./rooms.mjs";

export const verbs = {
  client: (driver, { by, url, token, deadline_ms: deadlineMs }) => {
    const options = Object.fromEntries(Object.entries({ token, deadlineMs }).filter(([, value]) => value !== undefined));
    driver.clients.set(by, driver.module().createClient(url, options));
  },
  publish: async (driver, command, signal) => {
    const { namespace, event } = command;
    const options = emitOptions(command, signal);
    return tellAccepted(await driver.client(command).publish(namespace, targetOf(command), event, payloadOf(command), options));
  },
  publish_batch: async (driver, command, signal) => {
    const publications = command.items.map((item) => {
      const whole = { namespace: command.namespace, room: command.room, event: command.event, ...item };
      return { namespace: whole.namespace, to: targetOf(whole), event: whole.event, payload: payloadOf(whole), ...emitOptions(whole) };
    });
    const outcomes = await driver.client(command).publishBatch(publications, { signal });
    return { outcomes: outcomes.map((outcome) => (outcome.error ? { refused: outcome.error.code } : tellAccepted(outcome))) };
  },
  call: async (driver, command, signal) => {
    const { namespace, event, session, any_of: anyOf, timeout_ms: timeoutMs } = command;
    const callee = session === undefined ? { anyOf } : { session };
    const options = { signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    const payload = payloadOf(command);
    const of = driver.sessions.get(command.by)?.namespace(namespace);
    const reply = of ? await of.call(callee, event, payload, options)
      : await driver.client(command).call(namespace, callee, event, payload, options);
    return tellReply(reply);
  },
  rooms: async (driver, command) => {
    const rooms = [];
    for await (const { name, memberCount } of driver.client(command).directory.rooms(command.namespace, { prefix: command.prefix ?? "" })) {
      rooms.push({ name, members: memberCount });
    }
    return { rooms };
  },
  disconnect: async (driver, command) => {
    const { namespace, user, reason } = command;
    const { count } = await driver.client(command).directory.disconnectMembers(namespace, { users: [user] }, { reason });
    return { count };
  },
};
