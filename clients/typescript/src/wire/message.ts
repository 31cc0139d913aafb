// Messages of protobuf: what one is made of, told by a line of words that the generator writes, and how it is made. Small on
// purpose, for a page carries all of this. `encode.ts` and `decode.ts` put it on the wire and take it from there.

/** How a value travels: text, bytes, bool, uint32, int32 or enum, sint32, uint64, int64, texts by texts. */
export type Letter = "s" | "y" | "b" | "u" | "i" | "z" | "U" | "I" | "m";

/** One field of a message. */
export interface Field {
  readonly name: string;
  readonly number: number;
  /** Whether it is there as often as one likes. */
  readonly many: boolean;
  /** Whether its absence is something else than zero, or nothing. */
  readonly mayMiss: boolean;
  /** The choice that it is one of, if it is. */
  readonly choice: string | undefined;
  /** How it travels, unless it is a message. */
  readonly letter: Letter | undefined;
  /** The message that it is. */
  readonly type: MessageType<object> | undefined;
}

/** A message as its fields by name. */
export type Fields = Record<string, unknown>;

/** One of several fields, or none. */
export interface Choice {
  case: string | undefined;
  value?: unknown;
}

/** What a message can be made of: any of its fields, and of theirs. */
export type Init<T> = T extends bigint | string | number | boolean | Uint8Array | undefined
  ? T
  : T extends (infer E)[]
    ? Init<E>[]
    : T extends { case: infer C extends string; value: infer V }
      ? { case: C; value: Init<V> }
      : T extends { case: undefined }
        ? T
        : { [K in keyof T]?: Init<T[K]> | undefined };

/** One call of a service. */
export interface Method<I extends object, O extends object> {
  readonly path: string;
  readonly input: MessageType<I>;
  readonly output: MessageType<O>;
}

const WORD = /^(?:(\w+)\.)?(\w+)=(\d+)(\*?)(\??)(?::(\d+)|(\w))$/;
const NOTHING: Partial<Record<Letter, unknown>> = { s: "", b: false, u: 0, i: 0, z: 0, U: 0n, I: 0n, y: new Uint8Array() };
const NONE: Choice = Object.freeze({ case: undefined });

/** A kind of message. */
export class MessageType<T extends object> {
  /** Never there: tells `T` from others. */
  declare readonly of: T;
  readonly #words: string;
  readonly #others: () => readonly MessageType<any>[];
  readonly #byNumber: Field[] = [];
  /** What fields are when nothing is said of them, but for those that each message has of its own. */
  readonly #nothing: Fields = {};
  readonly #holders: Field[] = [];
  #fields: readonly Field[] | undefined;

  /** `words` tell each field in order: its choice, its name, `=` and its number, `*` for what is there often, `?` for what may be
   * absent, and its letter, or `:` and which of `others` it is. */
  constructor(words: string, others: () => readonly MessageType<any>[] = () => []) {
    this.#words = words;
    this.#others = others;
  }

  /** Its fields, in order. */
  get fields(): readonly Field[] {
    // Read when it is first needed: messages name each other, and a page needs few of them.
    return (this.#fields ??= this.#read());
  }

  /** The field that has this number. */
  field(number: number): Field | undefined {
    this.#fields ??= this.#read();
    return this.#byNumber[number];
  }

  /** A message in which nothing has been said. */
  blank(): Fields {
    this.#fields ??= this.#read();
    const blank = { ...this.#nothing };
    for (const { name, many } of this.#holders) blank[name] = many ? [] : {};
    return blank;
  }

  #read(): Field[] {
    const others = this.#others();
    return this.#words.split(" ").flatMap((word) => {
      const [, choice, name = "", number, many, mayMiss, other, letter] = WORD.exec(word) ?? [];
      if (name === "") return [];
      const type = other === undefined ? undefined : others[Number(other)];
      const field = { name, number: Number(number), many: many !== "", mayMiss: mayMiss !== "", choice, letter: letter as Letter | undefined, type };
      if (choice !== undefined) this.#nothing[choice] = NONE;
      else if (field.many || letter === "m") this.#holders.push(field);
      else if (!type && !mayMiss) this.#nothing[name] = NOTHING[field.letter!];
      this.#byNumber[field.number] = field;
      return [field];
    });
  }
}

/** Makes a message: what `init` does not say is nothing. */
export function create<T extends object>(type: MessageType<T>, init: Init<T> = {} as Init<T>): T {
  const said = init as Fields;
  const message = type.blank();
  for (const field of type.fields) {
    const { name, choice } = field;
    if (choice !== undefined) {
      const chosen = said[choice] as Choice | undefined;
      if (chosen?.case === name) message[choice] = { case: name, value: made(field, chosen.value) };
    } else if (said[name] !== undefined) {
      message[name] = field.many ? (said[name] as unknown[]).map((value) => made(field, value)) : made(field, said[name]);
    }
  }
  return message as T;
}

function made({ type }: Field, value: unknown): unknown {
  return type ? create(type, value as object) : value;
}
