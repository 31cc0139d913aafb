// What came of a case: one word for it, a few words for the table, whether what the case demands holds
// (`null` where the case cannot be put), and figures.

/** An outcome. */
export function outcome(word, words, holds, figures = {}) {
  return { outcome: word, words, holds, figures };
}

/** The case cannot be put to this system. */
export function impossible(why) {
  return outcome("not possible", `not possible: ${why}`, null);
}

/** Compares what was sent with what was heard, each a list of texts; `told` is what the receiver was told, or "". */
export function delivery(sent, heard, told = "") {
  const figures = count(sent, heard);
  const { lost, duplicated, disordered, of } = figures;
  const parts = [];
  if (lost > 0) parts.push(`lost ${lost} of ${of}`);
  if (duplicated > 0) parts.push(`duplicated ${duplicated} of ${of}`);
  if (disordered > 0) parts.push(`${disordered} out of order`);
  if (parts.length === 0) return outcome("kept", `kept ${of} of ${of}`, true, { ...figures, told });
  if (lost > 0) parts.push(told === "" ? "not told" : `told ${told}`);
  const word = lost > 0 ? "lost" : duplicated > 0 ? "duplicated" : "out of order";
  return outcome(word, parts.join(", "), false, { ...figures, told });
}

/** How many of `sent` were lost, came again, or came after one that was sent later. */
export function count(sent, heard) {
  const places = new Map(sent.map((text, place) => [text, place]));
  const seen = new Set();
  let duplicated = 0;
  let disordered = 0;
  let highest = -1;
  for (const text of heard) {
    const place = places.get(text);
    if (place === undefined) continue;
    if (seen.has(text)) {
      duplicated += 1;
      continue;
    }
    seen.add(text);
    if (place < highest) disordered += 1;
    highest = Math.max(highest, place);
  }
  return { of: sent.length, lost: sent.length - seen.size, duplicated, disordered };
}

/** A number as it stands in the table. */
export function number(value) {
  return value.toLocaleString("en");
}
