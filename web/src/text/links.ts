// Finds web addresses in a message. Gives parts of plain text; the page writes each as text, never as markup.

/** A piece of a message. */
export interface Part {
  readonly text: string;
  /** Set for an address that may be opened. */
  readonly href?: string;
}

/** No white space, quotes, angle brackets, controls or invisible characters: an address shows all that it is. */
const ADDRESS = /https?:\/\/[^\s<>"'`\p{Cc}\p{Cf}]+/giu;
const TRAILING = /[.,;:!?]+$/;

/** Splits a message into text and addresses. */
export function parts(text: string): Part[] {
  const found: Part[] = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const shown = trimmed(match[0]);
    const href = safe(shown);
    if (href === undefined) continue;
    if (match.index > end) found.push({ text: text.slice(end, match.index) });
    found.push({ text: shown, href });
    end = match.index + shown.length;
  }
  if (end < text.length) found.push({ text: text.slice(end) });
  return found;
}

/** Without the punctuation that belongs to the sentence around it. */
function trimmed(address: string): string {
  let text = address.replace(TRAILING, "");
  while (text.endsWith(")") && count(text, ")") > count(text, "(")) text = text.slice(0, -1).replace(TRAILING, "");
  return text;
}

function count(text: string, letter: string): number {
  return text.split(letter).length - 1;
}

function safe(address: string): string | undefined {
  try {
    const url = new URL(address);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : undefined;
  } catch {
    return undefined;
  }
}
