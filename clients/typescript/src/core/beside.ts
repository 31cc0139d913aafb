// What is asked beside the session, by calls of their own with its token: what rooms keep. Once the session is attached, within a
// deadline, and not repeated. What asks is a chunk of its own, fetched when first needed.

import type { Transport } from "../wire/transport.js";
import { unary } from "./calls.js";
import { failure } from "./errors.js";
import type { NodesPage, RoomEntry, RoomsOptions } from "./directory.js";
import type { HistoryOptions, LoadPage } from "./history.js";
import type { Ask, CallWait, RoomName } from "./kept.js";
import type { Settings } from "./options.js";
import type { AsksPresence } from "./presence.js";
import type { AsksState } from "./state.js";

/** Waits for the session to be attached; gives its token. */
type Attached = (limits: { timeoutMs: number; signal?: AbortSignal | undefined }) => Promise<string>;

/** Calls beside one session. */
export class Beside {
  readonly #transport: Transport;
  readonly #settings: Settings;
  readonly #attached: Attached;

  constructor(transport: Transport, settings: Settings, attached: Attached) {
    this.#transport = transport;
    this.#settings = settings;
    this.#attached = attached;
  }

  /** Pages of a room's history. */
  history(room: RoomName, options: HistoryOptions): LoadPage {
    return async (pageToken, pageSize) => (await kept()).historyOf(this.#ask, room, options)(pageToken, pageSize);
  }

  /** Who is in a room. */
  async presence(room: RoomName): Promise<AsksPresence> {
    return new (await kept()).RoomPresence(this.#ask, room);
  }

  /** The keyed state of a room. */
  async state(room: RoomName): Promise<AsksState> {
    return new (await kept()).RoomState(this.#ask, room);
  }

  /** Rooms that have members. */
  async rooms(namespace: string, options: RoomsOptions): Promise<NodesPage<RoomEntry>> {
    return (await import("./directory.js")).roomsOf(this.#ask, namespace, options);
  }

  readonly #ask: Ask = async (method, input, { deadlineMs = this.#settings.deadlineMs, signal }: CallWait = {}) => {
    const end = performance.now() + deadlineMs;
    try {
      const token = await this.#attached({ timeoutMs: deadlineMs, signal });
      const headers = token === "" ? undefined : { authorization: `Bearer ${token}` };
      return await unary(this.#transport, method, input, { timeoutMs: Math.max(1, end - performance.now()), signal, headers });
    } catch (error) {
      throw failure(error);
    }
  };
}

function kept() {
  return import("./kept.js");
}
