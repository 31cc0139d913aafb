// Light, dark, or as the system says. Sets one attribute on the page's root; the style sheets do the rest.

import { readTheme, writeTheme } from "./memory.ts";

/** What can be chosen. */
export type Choice = "" | "light" | "dark";

class Theme {
  choice = $state<Choice>(toChoice(readTheme()));

  /** Chooses. */
  choose(choice: Choice): void {
    this.choice = choice;
    writeTheme(choice);
    if (choice === "") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = choice;
  }

  /** System, light, dark, system … */
  turn(): void {
    this.choose(this.choice === "" ? "light" : this.choice === "light" ? "dark" : "");
  }
}

function toChoice(text: string): Choice {
  return text === "light" || text === "dark" ? text : "";
}

/** The theme of this page. */
export const theme = new Theme();
