// Names of people as the page shows them: made safe to show, shortened to initials, given a colour. Pure functions.

/** Characters that nobody sees but that change how others look: controls, bidi marks, zero-width and the like. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0\ufe00-\ufe0f]/gu;

/** Most bytes of a name in the protocol. */
const BYTES_MAX = 128;
/** Most characters that a person may choose. */
export const NAME_CHARACTERS_MAX = 40;
/** How many colours the style sheet has for avatars. */
const HUES = 12;

/** A name without what cannot be seen, in one line. */
export function visible(text: string): string {
  return text.normalize("NFC").replace(INVISIBLE, "").replace(/\s+/g, " ").trim();
}

/** A name that the server takes: visible, not reserved, not too long. Empty when nothing is left. */
export function toName(text: string, bytesMax = BYTES_MAX): string {
  let name = visible(text).replace(/^[$_\s]+/, "");
  const encoder = new TextEncoder();
  while (encoder.encode(name).length > bytesMax) name = [...name].slice(0, -1).join("");
  return name.trim();
}

/** One or two letters for an avatar. */
export function initials(name: string): string {
  const words = name.split(/[\s._@-]+/).filter((word) => word !== "");
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  const text = letters.map((word) => firstLetter(word ?? "")).join("");
  return text === "" ? "?" : text.toLocaleUpperCase();
}

function firstLetter(word: string): string {
  const letters = [...word];
  return letters.find((letter) => /[\p{L}\p{N}]/u.test(letter)) ?? letters[0] ?? "";
}

/** The class of a colour that stays the same for the same text. */
export function hue(text: string): string {
  let hash = 2166136261;
  for (const letter of text) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 16777619);
  return `hue-${(hash >>> 0) % HUES}`;
}

/** A session without a name. */
export function sessionName(session: string): string {
  return session === "" ? "Service" : `Guest ${session.slice(-4)}`;
}
