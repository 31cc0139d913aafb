// The driver in Node: sessions in one stream (`attach`), as programs have them, and in two halves (`halves`), as pages have them.

import { createInterface } from "node:readline";
import * as attach from "@rialto/client/node";
import * as halves from "@rialto/client/web";
import { Driver } from "./driver.mjs";

const driver = new Driver({ attach, halves }, (line) => process.stdout.write(`${JSON.stringify(line)}\n`));
for await (const line of createInterface({ input: process.stdin })) void driver.take(JSON.parse(line));
process.exit(0);
