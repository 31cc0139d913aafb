// Where the peers' clients are: `tests/tools/install receivers` puts them into .tools/receivers.

import { createRequire } from "node:module";

/** Loads an installed package. */
export const load = createRequire(new URL("../../../.tools/receivers/", import.meta.url));
