// Whether an address can be one of a server, so that what cannot is said before anything is sent. Pure.

import { invalid } from "./errors.js";

/** The address; throws when it is none. */
export function address(url: string): string {
  if (/^https?:\/\//.test(url) && URL.canParse(url)) return url;
  throw invalid(`"${url}" is no address of a server: it begins with http:// or https://`);
}
