// What the compiler says about declared events. Compiled, never run: each line that must not compile says so.

import type { Session } from "../../src/index.js";

interface ChatEvents {
  message: string;
  moved: { x: number; y: number };
  photo: Uint8Array;
  left: undefined;
}

export async function declared(session: Session): Promise<void> {
  const chat = session.namespace<ChatEvents>("chat");
  const room = chat.room("general");
  await room.emit("message", "hi", { key: "k" });
  await room.emit("moved", { x: 1, y: 2 });
  await room.emit("left");
  await chat.to({ everyone: true }).emit("photo", new Uint8Array());
  // @ts-expect-error: no event has this name
  await room.emit("massage", "hi");
  // @ts-expect-error: it says a text
  await room.emit("message", 7);
  // @ts-expect-error: something is missing
  await room.emit("moved", { x: 1 });
  // @ts-expect-error: it says something
  await room.emit("message");
  // @ts-expect-error: to any target the same
  await chat.to({ users: ["ann"] }).emit("moved", "there");
  room.on("moved", ({ value }) => value.x + value.y);
  // @ts-expect-error: a text has no coordinates
  room.on("message", ({ value }) => value.x);
  // @ts-expect-error: nobody says this
  chat.on("massage", () => {});
  for await (const { value } of room.events({ event: "message" })) value.toUpperCase();
  // @ts-expect-error: nobody says this
  room.events({ event: "massage" });
  await room.emitWithReplies("message", "lunch?", { timeoutMs: 700 }).collect();
}

export async function undeclared(session: Session): Promise<void> {
  const room = session.namespace("chat").room("general");
  await room.emit("anything", { at: "all" });
  await room.emit("nothing");
  room.on("anything", (event) => event.value.whatever + event.text);
}
