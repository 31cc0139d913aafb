// Socket.IO with the Redis Streams adapter, on a Redis of its own, with the adapter's options as shipped. Each site has
// streams and keys under a name of its own.

import * as redis from "./redis.mjs";
import { load, version } from "./packages.mjs";
import { Site } from "./socketio.mjs";

/** Starts Redis. */
export async function start() {
  const versions = `socket.io ${version("socket.io")}, @socket.io/redis-streams-adapter ${version("@socket.io/redis-streams-adapter")}, redis-server ${redis.version()}`;
  const server = await redis.start();
  let sites = 0;
  const site = (options) => {
    sites += 1;
    const name = `site-${sites}`;
    return Site.start(options, () => adapter(server.url, name));
  };
  return { id: "socketio-redis", title: "Socket.IO, Redis Streams", versions, nodesMax: 2, site, stop: server.stop };
}

/** What connects one server to Redis. */
async function adapter(url, name) {
  const client = load("redis").createClient({ url });
  client.on("error", () => {});
  await client.connect();
  const { createAdapter } = load("@socket.io/redis-streams-adapter");
  const names = { streamName: name, channelPrefix: name, sessionKeyPrefix: `${name}:session:` };
  return { adapter: createAdapter(client, names), close: () => client.close() };
}
