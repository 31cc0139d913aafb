// Receives by Socket.IO's own client.

import { load } from "./packages.mjs";
import { count, ready } from "./tally.mjs";

const { io } = load("socket.io-client");
const socket = io(process.argv[2], { transports: ["websocket"], query: { role: "member" } });
socket.on("e", count);
socket.on("ready", ready);
