// How the pages are built: file names without hashes, so that the committed result changes only where the sources did.
// Nothing is inlined, because the server allows nothing inline. A second page is added as another input.

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const source = (path: string) => fileURLToPath(new URL(`../clients/typescript/src/${path}`, import.meta.url));

/** What the libraries carry and these pages never use. Asked for all the same, it says so. */
const LEFT_OUT = [
  {
    // The pages speak protobuf's binary format only.
    path: /@bufbuild\/protobuf\/.*\/from-json\.js$/,
    names: ["fromJson", "fromJsonString", "mergeFromJson", "mergeFromJsonString", "enumFromJson", "isEnumJson"],
  },
  {
    path: /@bufbuild\/protobuf\/.*\/to-json\.js$/,
    names: ["toJson", "toJsonString", "enumToJson"],
  },
  {
    // Only what is set through reflection is checked, and nothing is.
    path: /@bufbuild\/protobuf\/.*\/reflect-check\.js$/,
    names: ["checkField", "checkListItem", "checkMapEntry", "formatVal"],
  },
  {
    // Only fields with defaults of their own have any written as text; see `leanDescriptor`.
    path: /@bufbuild\/protobuf\/.*\/text-format\.js$/,
    names: ["parseTextFormatEnumValue", "parseTextFormatScalarValue"],
  },
  {
    // No component is a custom element.
    path: /svelte\/src\/internal\/client\/dom\/elements\/custom-element\.js$/,
    names: ["create_custom_element", "SvelteElement"],
  },
];

/** Vite's own module that fetches what a part of the page needs beside itself. All that such a part needs is there already. */
const PRELOAD = "\0vite/preload-helper.js";

/** Descriptions of options that Rialto's protos do not use. Their messages stay, because they are found by position. */
const NO_OPTIONS = /^(File|Field|Method|Service|Enum|EnumValue|Oneof|ExtensionRange)Options$|^Uninterpreted|CodeInfo$|^FeatureSet/;

type Described = { name: string; field?: Record<string, unknown>[]; enumType?: { value: unknown[] }[]; nestedType?: Described[] };

function withoutFields(message: Described): Described {
  const enumType = (message.enumType ?? []).map((type) => ({ ...type, value: type.value.slice(0, 1) }));
  return { ...message, field: [], enumType, nestedType: (message.nestedType ?? []).map(withoutFields) };
}

/** Nobody asks for what these fields are when they are not set. */
function withoutDefaults(message: Described): Described {
  const field = (message.field ?? []).map(({ defaultValue: _, ...rest }) => rest);
  return { ...message, field, nestedType: (message.nestedType ?? []).map(withoutDefaults) };
}

/** The description of descriptions, without what no description here needs. */
function leanDescriptor(text: string): string {
  return text.replace(/boot\((\{.*\})\);/, (_, json: string) => {
    const file = JSON.parse(json) as { messageType: Described[] };
    file.messageType = file.messageType.map((message) => (NO_OPTIONS.test(message.name) ? withoutFields(message) : withoutDefaults(message)));
    return `boot(${JSON.stringify(file)});`;
  });
}

/** Leaves out what is never used: an eighth of the page. */
function leaner(): Plugin {
  return {
    name: "leaner",
    transform: (text, id) => {
      if (id === PRELOAD) return "export const __vitePreload = (load) => load();";
      const left = LEFT_OUT.find(({ path }) => path.test(id));
      if (left) return left.names.map((name) => `export function ${name}() { throw new Error("${name} is not part of this page"); }`).join("\n");
      // Enums written so that those which nobody reads can be left out.
      if (!id.endsWith("/descriptor_pb.js")) return undefined;
      const enums = /export var (\w+);\s*\(function \(\1\) \{([^]*?)\n\}\)\(\1 \|\| \(\1 = \{\}\)\);/g;
      return leanDescriptor(text).replace(enums, "export const $1 = /* @__PURE__ */ (function ($1) {$2\nreturn $1;\n})({});");
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
