// A program that was started: its lines, its CPU, and its end.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

// `CLK_TCK`: Linux counts CPU time for user space in hundredths of a second.
const TICK_MICROS = 10_000;
const ERROR_LETTERS_MAX = 4_000;
const WAIT_MS_MAX = 30_000;
const running = new Set();

// What was started ends with this process, however it ends.
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

export class Program {
  #child;
  #name;
  #errors = "";
  #over = null;
  #waiting = [];
  /** Called with each line of its output. */
  onLine = () => {};

  /** Starts `[program, …arguments]`. */
  constructor(name, [program, ...parameters], env = {}) {
    this.#name = name;
    this.#child = spawn(program, parameters, { env: { ...process.env, ...env } });
    running.add(this.#child);
    this.#child.stdin.on("error", () => {});
    this.#child.stderr.on("data", (chunk) => (this.#errors = (this.#errors + chunk).slice(-ERROR_LETTERS_MAX)));
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#heard(line));
    this.#child.on("error", (error) => this.#ended(`does not start: ${error.message}`));
    this.#child.on("close", (code, signal) => this.#ended(`has ended (${code ?? signal})\n${this.#errors}`));
  }

  /** Gives it a line. */
  tell(line) {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Ends its input. */
  endInput() {
    this.#child.stdin.end();
  }

  /** The next line for which `wanted` holds. */
  line(wanted, ms = WAIT_MS_MAX) {
    if (this.#over) return Promise.reject(new Error(`${this.#name} ${this.#over}`));
    return new Promise((resolve, reject) => {
      const waiter = { wanted, resolve, reject };
      this.#waiting.push(waiter);
      waiter.timer = setTimeout(() => this.#giveUp(waiter, `has not said it within ${ms} ms\n${this.#errors}`), ms);
    });
  }

  /** The CPU that it and its threads have used, in user space and in the kernel, in µs. */
  cpuMicros() {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
  }

  /** Ends it. */
  async stop() {
    if (this.#over) return;
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill("SIGKILL");
    await closed;
  }

  #heard(line) {
    this.onLine(line);
    for (const waiter of this.#waiting.filter(({ wanted }) => wanted(line))) {
      clearTimeout(waiter.timer);
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      waiter.resolve(line);
    }
  }

  #ended(how) {
    this.#over ??= how;
    running.delete(this.#child);
    for (const waiter of [...this.#waiting]) this.#giveUp(waiter, how);
  }

  #giveUp(waiter, why) {
    clearTimeout(waiter.timer);
    this.#waiting = this.#waiting.filter((each) => each !== waiter);
    waiter.reject(new Error(`${this.#name} ${why}`));
  }
}
