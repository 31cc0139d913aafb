// Receives by the client of Rialto: a listener in a room.

import { connect } from "@rialto/client/node";
import { count, ready } from "./tally.mjs";

const session = await connect(process.argv[2], { user: "receiver" });
const room = session.namespace("bench").room("bench-room");
room.on("e", (event) => count(event.text));
await room.join();
ready();
