// Follows the imports whose cards are shown: one stream for all of a workspace, because a page has few connections. What rooms
// are told does not depend on it; it brings how far the work has come.

import { RialtoError } from "@rialto/client/web";
import { jobsOf } from "./client.ts";
import type { Import } from "./import.svelte.ts";

/** The protocol's bound. */
const WATCHED_MAX = 64;

const followings = new Map<string, Following>();

/** Follows an import until what is returned is called. */
export function follow(item: Import): () => void {
  const { workspace } = item.room;
  const following = followings.get(workspace) ?? new Following();
  followings.set(workspace, following);
  return following.add(item);
}

class Following {
  readonly #items = new Map<string, Import>();
  #control = new AbortController();
  #planned = false;

  add(item: Import): () => void {
    this.#items.set(item.id, item);
    this.#plan();
    return () => {
      this.#items.delete(item.id);
      if (this.#items.size === 0) this.#control.abort();
    };
  }

  /** Cards that come together are followed together. */
  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      this.#control.abort();
      this.#control = new AbortController();
      const items = [...this.#items.values()].filter(({ ended }) => !ended).slice(-WATCHED_MAX);
      if (items.length > 0) void this.#watch(items, this.#control.signal);
    });
  }

  async #watch(items: readonly Import[], signal: AbortSignal): Promise<void> {
    const [{ room }] = items as [Import];
    try {
      const ids = items.map(({ id }) => id);
      for await (const job of jobsOf(room).watch(ids, { signal })) this.#items.get(job.id)?.told(job);
    } catch (error) {
      if (signal.aborted || !(error instanceof RialtoError)) return;
      if (error.code === "FORBIDDEN") for (const item of items) item.mayChange = false;
      // One of them is forgotten; the others can be followed without it.
      if (error.code === "NOT_FOUND" && (await Promise.all(items.map((item) => item.look()))).includes(false)) this.#plan();
    }
  }
}
