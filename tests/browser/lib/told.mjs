// What a page has told about its connection and about who is there, also what stood there for a moment only.

/** Begins to note what is told in the page of a person. */
export function watch(person) {
  return person.page.evaluate(() => {
    const notes = { banners: [], states: [], counts: [] };
    const note = (list, value) => value !== undefined && value !== list.at(-1) && list.push(value);
    const look = () => {
      for (const line of document.querySelectorAll(".banner p")) note(notes.banners, line.textContent.trim().replace(/\s+/g, " "));
      note(notes.states, document.querySelector(".connection")?.dataset.state);
      note(notes.counts, document.querySelector("button.count")?.ariaLabel.replace(", show who", ""));
    };
    look();
    new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
    window.told = notes;
  });
}

/** What was told since then, each when it changed: in banners, as the state of the connection, and as the number of people. */
export function told(person) {
  return person.page.evaluate(() => window.told);
}

/** Waits until the connection has been lost since then. */
export async function lost(person) {
  await person.page.waitForFunction(() => window.told.states.length > 1);
}
