// The peer: Socket.IO as its documentation shows it, WebSocket only, without compression. Members join one room; what a
// sender sends is emitted to the room. With the address of a Redis as its second argument it is one of several, with the
// Redis adapter as its documentation shows it.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

async function adapter(url) {
  const { createAdapter } = require("@socket.io/redis-adapter");
  const publisher = require("redis").createClient({ url });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  return createAdapter(publisher, subscriber);
}

async function main([port, redis]) {
  const http = createServer();
  const options = { transports: ["websocket"], perMessageDeflate: false, httpCompression: false };
  const io = new Server(http, redis === undefined ? options : { ...options, adapter: await adapter(redis) });

  io.on("connection", (socket) => {
    if (socket.handshake.query.role === "member") socket.join("bench-room");
    socket.on("e", (payload) => io.to("bench-room").emit("e", payload));
    socket.emit("ready", "bench-room");
  });
  http.listen(Number(port), "127.0.0.1");
}

main(process.argv.slice(2));
