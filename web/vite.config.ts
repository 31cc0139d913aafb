// How the pages are built: file names without hashes, so that the committed result changes only where the sources did.
// Nothing is inlined, because the server allows nothing inline. A second page is added as another input.

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const source = (path: string) => fileURLToPath(new URL(`../clients/typescript/src/${path}`, import.meta.url));

/** The page speaks the binary format only; the JSON format of protobuf would be a seventh of its size for nothing. */
function binaryOnly(): Plugin {
  const stub = "\0no-json";
  const names = ["fromJson", "fromJsonString", "mergeFromJson", "mergeFromJsonString", "enumFromJson", "isEnumJson", "toJson", "toJsonString", "enumToJson"];
  const code = names.map((name) => `export function ${name}() { throw new Error("JSON is not part of this build"); }`);
  return {
    name: "binary-only",
    enforce: "pre",
    resolveId: (id, from) => (/\/(from|to)-json\.js$/.test(id) && from?.includes("@bufbuild/protobuf") ? stub : undefined),
    load: (id) => (id === stub ? code.join("\n") : undefined),
    // Enums written so that those which nobody reads can be left out.
    transform: (text, id) =>
      id.endsWith("/descriptor_pb.js")
        ? text.replace(/export var (\w+);\s*\(function \(\1\) \{([^]*?)\n\}\)\(\1 \|\| \(\1 = \{\}\)\);/g, "export const $1 = /* @__PURE__ */ (function ($1) {$2\nreturn $1;\n})({});")
        : undefined,
  };
}

export default defineConfig({
  plugins: [binaryOnly(), svelte()],
  resolve: { alias: { "@rialto/client/web": source("web.ts") } },
  build: {
    target: "es2022",
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    reportCompressedSize: true,
    rollupOptions: {
      input: { chat: fileURLToPath(new URL("index.html", import.meta.url)) },
      output: {
        entryFileNames: "assets/[name].js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
  server: { proxy: { "/rialto.v1": "http://127.0.0.1:7400" } },
});
