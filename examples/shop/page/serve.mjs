// Serves the page that `vite build` has made, and hands calls of Rialto on to the node, so that both are one origin to the browser.

import { preview } from "vite";

const target = process.env.RIALTO_URL ?? "http://127.0.0.1:7400";
const server = await preview({
  root: import.meta.dirname,
  configFile: false,
  preview: {
    host: "127.0.0.1",
    port: Number(process.env.SHOP_PORT ?? 8080),
    strictPort: true,
    // The node sees the origin that the browser sees, and takes the page for its own.
    proxy: { "/rialto.v1": { target, changeOrigin: false } },
  },
});
console.log(server.resolvedUrls?.local[0]);
