// How the pages are built: file names without hashes, so that the committed result changes only where the sources did.
// Nothing is inlined, because the server allows nothing inline. A second page is added as another input.

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const source = (path: string) => fileURLToPath(new URL(`../clients/typescript/src/${path}`, import.meta.url));

/** Vite's own module that fetches what a part of the page needs beside itself. All that such a part needs is there already. */
const PRELOAD = "\0vite/preload-helper.js";
/** What Svelte carries for components that are custom elements. None is; asked for all the same, it says so. */
const CUSTOM_ELEMENT = /svelte\/src\/internal\/client\/dom\/elements\/custom-element\.js$/;

/** Leaves out what is never used. */
function leaner(): Plugin {
  const none = (name: string) => `export function ${name}() { throw new Error("${name} is not part of this page"); }`;
  return {
    name: "leaner",
    transform: (_, id) => {
      if (id === PRELOAD) return "export const __vitePreload = (load) => load();";
      return CUSTOM_ELEMENT.test(id) ? ["create_custom_element", "SvelteElement"].map(none).join("\n") : undefined;
    },
  };
}

export default defineConfig({
  plugins: [leaner(), svelte()],
  resolve: { alias: { "@rialto/client/web": source("web.ts") } },
  build: {
    target: "es2022",
    sourcemap: false,
    license: { fileName: "licenses.txt" },
    assetsInlineLimit: 0,
    modulePreload: false,
    cssCodeSplit: false,
    reportCompressedSize: true,
    rollupOptions: {
      input: { chat: fileURLToPath(new URL("index.html", import.meta.url)) },
      output: {
        // All of the start in one file: in pieces it compresses worse, and parts that come later would cut it up.
        codeSplitting: { groups: [{ name: "chat", tags: ["$initial"] }] },
        entryFileNames: "assets/[name].js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
  server: { proxy: { "/rialto.v1": "http://127.0.0.1:7400" } },
});
