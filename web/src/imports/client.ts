// The queue of imports of a workspace, asked through the one client without a session that this page has.

import { createCaller, Jobs, type Caller } from "@rialto/client/web";
import type { ChatRoom } from "../state/room.svelte.ts";
import { QUEUE } from "./job.ts";

let client: Caller | undefined;

/** The imports of a room's workspace. */
export function jobsOf({ around, workspace }: ChatRoom): Jobs {
  client ??= createCaller(location.origin, { token: () => around.token });
  return new Jobs(client, { namespace: workspace, queue: QUEUE });
}
