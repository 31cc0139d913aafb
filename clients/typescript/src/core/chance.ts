// Names that nothing else has: of jobs, of emits, of workers. Knows nothing of what is named.

/** 32 hexadecimal digits that nothing else has. `crypto.randomUUID` would do, but pages that came over plain HTTP have none. */
export function byChance(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
