// The peer: Socket.IO as its documentation shows it, WebSocket only, without compression. Members join one room; what a
// sender sends is emitted to the room.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false, httpCompression: false });

io.on("connection", (socket) => {
  if (socket.handshake.query.role === "member") socket.join("bench-room");
  socket.on("e", (payload) => io.to("bench-room").emit("e", payload));
  socket.emit("ready", "bench-room");
});

http.listen(Number(process.argv[2]), "127.0.0.1");
