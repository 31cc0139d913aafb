// The driver of the TypeScript client, apart from where it runs: takes commands and tells what came of them. What they mean is
// in tests/conformance/README.md. Finds who carries a command out; how it is done is in the files beside this one.

import { failureOf, Wrong } from "./content.mjs";
import * as jobs from "./jobs.mjs";
import * as keeping from "./keeping.mjs";
import * as plain from "./plain.mjs";
import * as rooms from "./rooms.mjs";
import * as sessions from "./sessions.mjs";
import * as workers from "./workers.mjs";

const VERBS = { ...sessions.verbs, ...rooms.verbs, ...keeping.verbs, ...plain.verbs, ...jobs.verbs, ...workers.verbs };

/** Everybody that commands can be by, by name. */
export class Driver {
  sessions = new Map();
  clients = new Map();
  streams = new Map();
  workers = new Map();
  /** Which module of the client a shape of a session is in. */
  #modules;
  #write;
  /** What cancels each command that has not ended. */
  #underWay = new Map();

  /** `modules`: the exports of the client by shape, the first for clients without a session; `write` takes each line as an object. */
  constructor(modules, write) {
    this.#modules = modules;
    this.#write = write;
  }

  /** The exports of the client that make sessions of a shape. */
  module(shape) {
    return this.#modules[shape] ?? Object.values(this.#modules)[0];
  }

  /** Begins a command. */
  async take(command) {
    const { id } = command;
    if (command.do === "cancel") {
      this.#underWay.get(command.command)?.abort();
      return this.#write({ id, done: {} });
    }
    const control = new AbortController();
    this.#underWay.set(id, control);
    try {
      const carryOut = VERBS[command.do];
      if (!carryOut) throw new Wrong(`not here: ${command.do}`);
      this.#write({ id, done: (await carryOut(this, command, control.signal)) ?? {} });
    } catch (error) {
      this.#write({ id, failed: failureOf(error) });
    } finally {
      this.#underWay.delete(id);
    }
  }

  /** A report about somebody. */
  tell(by, kind, what) {
    this.#write({ by, [kind]: what });
  }

  session({ by }) {
    return this.#known(this.sessions, by, "has no session");
  }

  client({ by }) {
    return this.#known(this.clients, by, "is no client");
  }

  stream({ by }) {
    return this.#known(this.streams, by, "reads nothing");
  }

  worker({ by }) {
    return this.#known(this.workers, by, "does not work");
  }

  /** The room that a command is about, of a session. */
  room(command) {
    return this.session(command).namespace(command.namespace).room(command.room);
  }

  #known(all, by, why) {
    const found = all.get(by);
    if (!found) throw new Wrong(`${by} ${why}`);
    return found;
  }
}
