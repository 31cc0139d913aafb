// Events that an application declares once: which there are, and what each says. Types only.

import type { EmitOptions } from "./command.js";
import type { Payload } from "./event.js";

/** Nothing is declared: every event may be said and heard, with any payload. */
export type Untyped = Record<string, any>;

/** Names of declared events. */
export type EventName<E extends object> = keyof E & string;

/** What is given to an emit behind the name: the payload, unless the event has none, and options. */
export type Said<T, O = EmitOptions> = undefined extends T ? [payload?: T & Payload, options?: O] : [payload: T & Payload, options?: O];
