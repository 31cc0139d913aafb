// Where the page is, as its address says: `#/workspace/room`. Reading and writing only; `chat.svelte.ts` decides.

/** A room, or a workspace without one. */
export interface Place {
  readonly workspace: string;
  readonly room: string;
}

/** The place that an address names, if it names one. */
export function readPlace(hash: string): Place | undefined {
  const [, workspace, room] = hash.split("/");
  if (!hash.startsWith("#/") || !workspace) return undefined;
  try {
    return { workspace: decodeURIComponent(workspace), room: decodeURIComponent(room ?? "") };
  } catch {
    return undefined;
  }
}

/** The address of a place. */
export function writePlace({ workspace, room }: Place): string {
  return room === "" ? `#/${encodeURIComponent(workspace)}` : `#/${encodeURIComponent(workspace)}/${encodeURIComponent(room)}`;
}
