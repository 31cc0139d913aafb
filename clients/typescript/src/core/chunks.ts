// Cuts what is uploaded into chunks of one size, and holds no more of it than what is cut. Knows nothing of calls.

/** What can be uploaded: a file, bytes, or bytes as they come. */
export type UploadSource = Blob | Uint8Array | AsyncIterable<Uint8Array>;

/** A part of what is uploaded. */
export interface Chunk {
  /** Its place, from 0. */
  readonly index: number;
  readonly bytes: number;
  /** Its bytes; of a file they are read only now. */
  load(): Promise<Uint8Array>;
}

/** How many bytes there are, where that is known before they come. */
export function bytesOf(source: UploadSource): number | undefined {
  if (source instanceof Blob) return source.size;
  return source instanceof Uint8Array ? source.length : undefined;
}

/** Chunks of exactly so many bytes, but for the last one. */
export async function* chunks(source: UploadSource, chunkBytes: number): AsyncGenerator<Chunk> {
  if (source instanceof Blob) yield* ofBlob(source, chunkBytes);
  else yield* ofPieces(source instanceof Uint8Array ? [source] : source, chunkBytes);
}

function* ofBlob(blob: Blob, chunkBytes: number): Generator<Chunk> {
  for (let index = 0; index * chunkBytes < blob.size; index++) {
    const slice = blob.slice(index * chunkBytes, (index + 1) * chunkBytes);
    yield { index, bytes: slice.size, load: async () => new Uint8Array(await slice.arrayBuffer()) };
  }
}

/** Pieces are copied: whoever gives them may use their memory again. */
async function* ofPieces(pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, chunkBytes: number): AsyncGenerator<Chunk> {
  let [index, filled] = [0, 0];
  let room = new Uint8Array(chunkBytes);
  const cut = () => {
    const data = room.subarray(0, filled);
    [room, filled] = [new Uint8Array(chunkBytes), 0];
    return { index: index++, bytes: data.length, load: () => Promise.resolve(data) };
  };
  for await (const piece of pieces) {
    for (let taken = 0; taken < piece.length; ) {
      const part = piece.subarray(taken, taken + chunkBytes - filled);
      room.set(part, filled);
      filled += part.length;
      taken += part.length;
      if (filled === chunkBytes) yield cut();
    }
  }
  if (filled > 0) yield cut();
}
