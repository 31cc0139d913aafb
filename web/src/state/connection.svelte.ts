// What the page says about its connection: the session's status, with the seconds until the next try counted down.
// Says what is, not what is hoped for; short interruptions are not cried out.

import type { Session, Status } from "@rialto/client/web";

/** Interruptions shorter than this are not announced. */
const CALM_MS = 600;

/** The connection of the page. */
export class Connection {
  status = $state.raw<Status>({ state: "connecting", attempt: 1 });
  /** True once the session was attached. */
  known = $state(false);
  /** True when the session that is attached goes on where it was. */
  resumed = $state(false);
  /** The user, as the server knew the last session. */
  user = $state("");
  /** The id of the last session. */
  session = $state("");
  /** True when the interruption lasts long enough to be said. */
  troubled = $state(false);
  /** Seconds until the next try. */
  seconds = $state(0);
  #session: Session | undefined;
  #unfollow: () => void = () => {};
  #calm: ReturnType<typeof setTimeout> | undefined;
  #tick: ReturnType<typeof setInterval> | undefined;

  /** Follows a session. */
  follow(session: Session): void {
    this.#unfollow();
    this.#session = session;
    this.#unfollow = session.status.subscribe((status) => this.#become(status));
  }

  /** Tries now. */
  retry(): void {
    this.#session?.retryNow();
  }

  #become(status: Status): void {
    this.status = status;
    clearInterval(this.#tick);
    if (status.state === "attached") {
      clearTimeout(this.#calm);
      this.#calm = undefined;
      this.known = true;
      this.resumed = status.arrival === "resumed";
      this.user = status.user;
      this.session = status.sessionId;
      this.troubled = false;
    } else if (status.state === "closed") {
      this.troubled = true;
    } else {
      this.#calm ??= setTimeout(() => (this.troubled = this.status.state !== "attached"), CALM_MS);
    }
    if (status.state === "waiting") {
      const count = () => (this.seconds = Math.max(0, Math.ceil((status.retryAt - Date.now()) / 1000)));
      count();
      this.#tick = setInterval(count, 250);
    }
  }
}
