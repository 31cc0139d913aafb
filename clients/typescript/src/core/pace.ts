// How fast emits may leave, so that the server need not refuse them: a bucket of the size and speed that the welcome
// told, a little smaller, because what leaves evenly may arrive bunched. Pure; the time is an argument.

/** The part of the server's burst that is used. */
const SHARE = 0.8;

/** A bucket. */
export class Pace {
  #perSecond = 0;
  #burst = 0;
  #left = 0;
  #at = 0;

  /** The bounds of a session; a rate of zero is none. The bucket of a session that goes on is not filled anew. */
  bounds(perSecond: number, burst: number, now: number, goesOn: boolean): void {
    this.#refill(now);
    const known = goesOn && this.#burst > 0;
    this.#perSecond = perSecond;
    this.#burst = Math.max(1, burst * SHARE);
    this.#left = known ? Math.min(this.#left, this.#burst) : this.#burst;
  }

  /** Takes one if there is one. */
  take(now: number): boolean {
    if (this.#perSecond === 0) return true;
    this.#refill(now);
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  /** Milliseconds until there is one. */
  waitMs(now: number): number {
    if (this.#perSecond === 0) return 0;
    this.#refill(now);
    return Math.max(0, Math.ceil(((1 - this.#left) * 1000) / this.#perSecond));
  }

  #refill(now: number): void {
    this.#left = Math.min(this.#burst, this.#left + (Math.max(0, now - this.#at) * this.#perSecond) / 1000);
    this.#at = now;
  }
}
