// A set of campaign messages with many recipients each, a client that sends them until it has its 250, and a look at what
// arrived.
import assert from "node:assert/strict";
import { sleep, slow } from "../integration/harness.mjs";

const FILLER = "<p>What the shop has to say to everybody is the same for all.</p>\r\n".repeat(40);

/** Messages `NAME-0`… to recipients of their own. pad: bytes of merge data for each that no copy uses. */
export class Load {
  constructor(world, { name, messages, recipients, campaign = "crash", from = "news@shop.example", pad = 0 }) {
    Object.assign(this, { world, name, campaign, from, pad });
    this.tries = 0; // all attempts at sending
    this.busy = 0; // attempts under way
    this.answers = new Map(); // how the attempts ended: "250", "451 4.3.0", "ECONNREFUSED" … → how often
    this.messages = Array.from({ length: messages }, (_, m) => ({
      id: `<${name}.${m}@shop.example>`,
      to: Array.from({ length: recipients }, (_, i) => this.address(m, i)),
      number: m,
      accepted: false,
    }));
    this.expected = new Map(this.messages.flatMap((message) => message.to.map((to, i) => [to, { message, code: this.code(message.number, i) }])));
  }

  /** The same people get every set. */
  address(m, i) {
    return `m${m}.r${i}@customers.example`;
  }

  code(m, i) {
    return `${this.name}/${m}/${i}`;
  }

  raw({ id, to, number }) {
    const data = Object.fromEntries(to.map((address, i) => [address, { code: this.code(number, i), ...(this.pad > 0 && { pad: "p".repeat(this.pad) }) }]));
    return [
      `From: ${this.from}`,
      "To: Our customers <news@shop.example>",
      "Subject: Your code is {{code}}",
      `Message-ID: ${id}`,
      `X-Mailtailor-Campaign: ${this.campaign}`,
      "MIME-Version: 1.0",
      'Content-Type: multipart/mixed; boundary="=-b"',
      "",
      "--=-b",
      "Content-Type: text/html; charset=utf-8",
      "",
      `<html><body><p>Code {{code}}.</p><a href="https://shop.example/box?code={{code}}">box</a>${FILLER}<p>The end of {{code}}.</p></body></html>`,
      "--=-b",
      "Content-Type: application/vnd.mailtailor.data+json",
      "",
      JSON.stringify(data).replaceAll("},", "},\r\n"),
      "--=-b--",
      "",
    ].join("\r\n");
  }

  get unanswered() {
    return this.messages.filter((message) => !message.accepted).length;
  }

  #note(answer) {
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
  }

  /** One attempt; true with its 250 for all recipients. */
  async #attempt(message) {
    const transport = this.world.transport("campaign", { connectionTimeout: 20000 * slow, greetingTimeout: 20000 * slow, socketTimeout: 60000 * slow });
    this.tries++;
    this.busy++;
    try {
      const answer = await transport.sendMail({ envelope: { from: this.from, to: message.to }, raw: this.raw(message) });
      // Some were refused for now: as a mailer does, here with all of them again.
      this.#note(answer.rejected.length > 0 ? "250, not for all" : "250");
      return answer.rejected.length === 0;
    } catch (error) {
      assert.ok(error.responseCode === undefined || error.responseCode < 500, `a retry must do: ${error.response}`);
      this.#note(/^\d{3} \d\.\d+\.\d+/.exec(error.response ?? "")?.[0] ?? error.responseCode ?? error.code ?? error.message);
      return false;
    } finally {
      this.busy--;
      transport.close();
    }
  }

  /** Sends all, in order, by so many clients at once, each message when may(number) resolves, each attempt when attempt() does. */
  async send({ clients = 4, pause = 100, may = () => undefined, attempt = () => undefined } = {}) {
    const left = [...this.messages];
    const client = async () => {
      for (let message; (message = left.shift()); ) {
        await may(message.number);
        for (;;) {
          await attempt();
          if ((message.accepted = await this.#attempt(message))) break;
          await sleep(pause);
        }
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
  }

  /** How many recipients have a copy, of those that are in the box. */
  delivered(mails) {
    return new Set(mails.map((mail) => mail.to[0])).size;
  }

  /** Waits for the last copy in a box, as long as there are more of them from time to time; what is missing is the caller's to find. */
  async arrived(box, say = () => undefined) {
    let before = -1;
    for (let end = Infinity; Date.now() <= end; await sleep(200)) {
      const now = this.delivered(box.mails);
      say();
      if (now === this.expected.size) return;
      if (now > before) end = Date.now() + 90000 * slow;
      before = now;
    }
  }

  /** Every copy is its recipient's, whole and tailored. */
  check(mails) {
    for (const mail of mails) {
      const text = mail.raw.toString("utf8");
      const [to] = mail.to;
      const wanted = this.expected.get(to);
      assert.equal(mail.to.length, 1);
      assert.ok(wanted, `${to} is no recipient`);
      const head = text.slice(0, text.indexOf("\r\n\r\n")).replace(/\r\n[ \t]/g, " ");
      assert.deepEqual(/^To: (.*)$/m.exec(head)?.[1].replace(/[<>]/g, ""), to);
      assert.equal(/^Subject: (.*)$/m.exec(head)?.[1], `Your code is ${wanted.code}`);
      assert.match(head, /^List-Unsubscribe: <https:\/\/t\.shop\.example\/u\/[\w-]+>$/m);
      assert.ok(text.includes(`<p>Code ${wanted.code}.</p>`) && text.includes(`<p>The end of ${wanted.code}.</p>`), `${to} got another's copy, or not all of it`);
      assert.ok(text.trimEnd().endsWith("--=-b--"), "the copy is whole");
      assert.doesNotMatch(text, /\{\{|mailtailor\.data/);
    }
  }

  /** Recipients without a copy. */
  missing(mails) {
    const got = new Set(mails.map((mail) => mail.to[0]));
    return [...this.expected.keys()].filter((to) => !got.has(to));
  }
}
