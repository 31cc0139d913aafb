// Applies the chosen theme before anything is painted. Owns nothing else; `state/theme.svelte.ts` writes the choice.
try {
  var theme = localStorage.getItem("rialto.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch (_) {
  // Storage may be forbidden; the system's theme is used then.
}
