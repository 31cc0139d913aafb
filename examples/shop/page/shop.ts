// The page of a customer: orders, and shows the invoices that come into the customer's room.

import { open, RialtoError, type RialtoEvent } from "@rialto/client/web";

/** How a room is told that a job has ended; only what is shown here. */
interface Ended {
  jobId: string;
  result?: { text: string };
  error?: { message: string };
}

const part = <E extends HTMLElement>(selector: string) => document.querySelector<E>(selector)!;
const form = part<HTMLFormElement>("form");
const [status, said, orders] = [part("#status"), part("#said"), part("#orders")];

// Where people sign in, the user comes out of their token.
const customer = new URLSearchParams(location.search).get("customer") ?? "ann";
const session = open(location.origin, { user: customer });
const shop = session.namespace("shop");
const room = shop.room(`customer-${customer}`);

// An order keeps its name until it is taken or changed: said again, it is the same order.
let id = crypto.randomUUID();

session.status.subscribe(({ state }) => {
  status.textContent = state === "attached" ? `Connected as ${customer}.` : state === "closed" ? "Closed." : "Connecting.";
});
room.onPrefix("job.", ended);
room.join({ newest: 20 }).catch(failed);
form.addEventListener("input", () => (id = crypto.randomUUID()));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  order().catch(failed);
});

async function order(): Promise<void> {
  const asked = id;
  const lines = [...new FormData(form)].map(([article, count]) => ({ article, count: Number(count) })).filter(({ count }) => count > 0);
  said.textContent = "Asking.";
  const reply = await shop.call({ anyOf: "orders" }, "order", { id: asked, lines }, { timeoutMs: 10_000 });
  const { cents } = JSON.parse(reply.text) as { cents: number };
  said.textContent = "";
  // The invoice may be here already.
  if (!shown(asked).hasChildNodes()) shown(asked).textContent = `Ordered for ${(cents / 100).toFixed(2)}. The invoice is being made.`;
  // Something else may have been written into the form meanwhile.
  if (id !== asked) return;
  form.reset();
  id = crypto.randomUUID();
}

function ended(event: RialtoEvent): void {
  // Jobs are told by the server itself, which is no session and no user: what others say here is no invoice.
  if (event.sender.session !== "" || event.sender.user !== "") return;
  const job = event.json() as Ended;
  const invoice = document.createElement("pre");
  invoice.textContent = job.result?.text ?? `There is no invoice: ${job.error?.message ?? event.name}`;
  shown(job.jobId).replaceChildren(invoice);
}

/** The place of an order in the list. */
function shown(order: string): HTMLElement {
  const there = document.getElementById(`order-${order}`);
  if (there !== null) return there;
  const item = document.createElement("li");
  item.id = `order-${order}`;
  orders.prepend(item);
  return item;
}

function failed(error: unknown): void {
  said.textContent = error instanceof RialtoError ? `That did not work: ${error.reason}` : String(error);
}
