// What runs in a page: the driver over the client for browsers. `browser.mjs` bundles it, and takes what is written.

import * as web from "@rialto/client/web";
import { Driver } from "./driver.mjs";

globalThis.driver = new Driver({ halves: web }, (line) => void globalThis.write(line));
