// Receives by nats.js: a subscription with a callback, which is the cheaper one of its two ways.

import { load } from "./packages.mjs";
import { count, ready } from "./tally.mjs";

const { connect } = load("@nats-io/transport-node");
const client = await connect({ servers: process.argv[2] });
client.subscribe("bench-room", {
  callback: (error, message) => {
    if (error) throw error;
    count(message.string());
  },
});
await client.flush();
ready();
