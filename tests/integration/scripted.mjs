// An SMTP server that answers as a test says: for each recipient, what happens to one attempt after another. It speaks
// PIPELINING, 8BITMIME, SMTPUTF8, DSN and SIZE, and keeps what it took and every attempt.
import { once } from "node:events";
import net from "node:net";
import { Mailbox } from "./sink.mjs";

const OK = "250 2.0.0 ok";

export class Scripted extends Mailbox {
  constructor() {
    super();
    /**
     * { at (ms), from, mail (parameters), to, rcpt (parameters), outcome } in the order of the RCPT commands; kept: it was
     * taken, cut: it was the last one of a connection that drop() or close() ended.
     */
    this.attempts = [];
    this.plans = new Map();
    this.otherwise = () => ({}); // the outcome of an attempt that no plan foresees
    this.sessions = new Set();
    this.connections = 0;
    this.delay = 0; // ms before every answer to a message
    this.greeting = "220 inject.example ESMTP"; // another reply, or "hang"
    this.extensions = ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 20000000", "ENHANCEDSTATUSCODES"];
  }

  /**
   * What becomes of the next attempts at an address; those after go well. An outcome has one of
   *   rcpt, data, end   at that step (end: after the final dot) a reply, "hang" (no reply ever) or "close"
   *   body: "close"     the connection is lost when the first bytes of the message have come
   * and `kept: true` when a message whose answer is lost counts as taken. {} goes well.
   */
  plan(address, ...outcomes) {
    this.plans.set(address, outcomes);
  }

  attemptsAt(address) {
    return this.attempts.filter((attempt) => attempt.to === address);
  }

  /** At the same port as before when it was open before. */
  async open() {
    this.server = net.createServer((socket) => this.#serve(socket));
    this.server.listen(this.port ?? 0, "127.0.0.1");
    await once(this.server, "listening");
    this.port = this.server.address().port;
  }

  /** From now on connections are refused, and those that are open are lost. */
  async close() {
    this.drop();
    this.server.close();
    await once(this.server, "close");
  }

  /** All connections that are open are lost. */
  drop() {
    for (const { socket, attempt } of this.sessions) {
      if (attempt) attempt.cut = true;
      socket.destroy();
    }
  }

  #serve(socket) {
    const s = { socket, buffer: "", state: "commands", outcome: {} };
    this.connections++;
    this.sessions.add(s);
    socket.on("close", () => this.sessions.delete(s));
    socket.on("error", () => {});
    socket.setEncoding("latin1");
    socket.on("data", (text) => {
      s.buffer += text;
      while (!socket.destroyed && s.state !== "hung" && this.#step(s));
    });
    this.#answer(s, this.greeting);
    if (this.greeting.startsWith("421")) socket.end();
  }

  #answer(s, reply) {
    if (reply === "hang") s.state = "hung";
    else if (reply === "close") s.socket.destroy();
    else s.socket.write(`${reply}\r\n`, "latin1");
  }

  /** Takes one command, or one message, from the buffer; false when there is none that is whole. */
  #step(s) {
    if (s.state === "message") return this.#message(s);
    const end = s.buffer.indexOf("\r\n");
    if (end < 0) return false;
    const line = s.buffer.slice(0, end);
    s.buffer = s.buffer.slice(end + 2);
    this.#command(s, line);
    return true;
  }

  #command(s, line) {
    const verb = line.slice(0, 4).toUpperCase();
    const [, path, parameters] = /:<([^>]*)> ?(.*)$/.exec(line) ?? [];
    const decoded = path && Buffer.from(path, "latin1").toString("utf8");
    if (verb === "EHLO") this.#answer(s, ["250-inject.example", ...this.extensions.slice(1).map((e) => `250-${e}`), `250 ${this.extensions[0]}`].join("\r\n"));
    else if (verb === "MAIL") {
      s.attempt = { from: decoded, mail: parameters };
      this.#answer(s, OK);
    } else if (verb === "RCPT") this.#recipient(s, decoded, parameters);
    else if (verb === "DATA") this.#data(s);
    else if (verb === "QUIT") s.socket.end("221 2.0.0 bye\r\n");
    else this.#answer(s, verb === "RSET" || verb === "NOOP" ? OK : "500 5.5.1 what?");
  }

  #recipient(s, to, rcpt) {
    s.outcome = this.plans.get(to)?.shift() ?? this.otherwise();
    s.attempt = { ...s.attempt, to, rcpt, at: Date.now(), outcome: s.outcome };
    this.attempts.push(s.attempt);
    s.refused = s.outcome.rcpt !== undefined;
    this.#answer(s, s.outcome.rcpt ?? OK);
  }

  #data(s) {
    if (s.refused) return this.#answer(s, "554 5.5.1 no valid recipients");
    if (s.outcome.data === undefined) s.state = "message";
    return this.#answer(s, s.outcome.data ?? "354 go on");
  }

  #message(s) {
    if (s.outcome.body !== undefined && s.buffer.length > 0) return this.#answer(s, s.outcome.body);
    const end = s.buffer.startsWith(".\r\n") ? 0 : s.buffer.indexOf("\r\n.\r\n") + 2;
    if (end === 1) return false;
    const text = s.buffer.slice(0, end).replace(/^\./gm, "");
    s.buffer = s.buffer.slice(end + 3);
    s.state = "commands";
    if (s.outcome.end === undefined || s.outcome.kept) {
      s.attempt.kept = true;
      this.keep({ from: s.attempt.from, to: [s.attempt.to], raw: Buffer.from(text, "latin1") });
    }
    const { end: answer = OK } = s.outcome;
    if (this.delay > 0) setTimeout(() => this.#answer(s, answer), this.delay);
    else this.#answer(s, answer);
    return true;
  }
}
