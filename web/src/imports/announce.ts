// Says how an import has ended to those who do not see it. Its place is outside of the log, which reads nothing of cards aloud:
// the progress of their work would interrupt without end.

const region = document.createElement("p");
region.className = "hidden";
region.setAttribute("role", "status");
document.body.append(region);

/** Says it. */
export function announce(words: string): void {
  region.textContent = words;
}
