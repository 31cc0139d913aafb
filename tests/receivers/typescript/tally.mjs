// What every receiver on Node says on its standard output; see ../README.md.

const STEP = 256;
const PAYLOAD_LETTERS = 128;

let received = 0;

/** Says that events can come, and counts them from then on until the standard input ends. */
export function ready() {
  console.log("READY");
  process.stdin.on("end", () => {
    console.log(JSON.stringify({ received }));
    process.exit();
  });
  process.stdin.resume();
}

/** Counts an event, and says so after each 256th. */
export function count(text) {
  if (text.length !== PAYLOAD_LETTERS) throw new Error(`a payload of ${text.length} letters`);
  received += 1;
  if (received % STEP === 0) console.log(received);
}
