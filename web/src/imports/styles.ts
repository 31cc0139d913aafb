// The styles of this part of the page come with it, and not with the first load.

import text from "./imports.css?inline";

/** Has them hold. */
export function addStyles(): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  document.adoptedStyleSheets.push(sheet);
}
