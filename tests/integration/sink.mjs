// An SMTP server that keeps what it is sent, with the envelope.
import { once } from "node:events";
import { SMTPServer } from "smtp-server";

/** What has arrived. */
export class Mailbox {
  constructor() {
    /** { from, to: [address], raw: Buffer, generation } in the order of arrival. */
    this.mails = [];
    this.waiters = new Set();
  }

  keep(mail) {
    this.mails.push(mail);
    for (const waiter of this.waiters) waiter();
  }

  /** All mail to an address so far. */
  of(address) {
    return this.mails.filter((mail) => mail.to.includes(address));
  }

  /** Waits for n mails to an address and returns them. */
  async take(address, n = 1, seconds = 30) {
    const end = Date.now() + seconds * 1000;
    while (this.of(address).length < n) {
      const left = end - Date.now();
      if (left <= 0) throw new Error(`no mail to ${address} within ${seconds} s (${this.of(address).length} of ${n})`);
      await new Promise((resolve) => {
        const timer = setTimeout(wake, left);
        const waiters = this.waiters;
        function wake() {
          clearTimeout(timer);
          waiters.delete(wake);
          resolve();
        }
        waiters.add(wake);
      });
    }
    return this.of(address);
  }
}

export class Sink extends Mailbox {
  constructor() {
    super();
    /** A test may count it up: a mail has the number that held when its connection was made. */
    this.generation = 0;
    /** address → the reply to its RCPT, such as "550 5.1.1 no such user". */
    this.refused = new Map();
    this.server = new SMTPServer({
      name: "sink.example",
      disabledCommands: ["AUTH", "STARTTLS"],
      authOptional: true,
      disableReverseLookup: true,
      maxClients: 500,
      logger: false,
      onConnect: (session, done) => {
        session.generation = this.generation;
        done();
      },
      onRcptTo: ({ address }, session, done) => {
        const [, code, text] = /^(\d{3}) (.*)/.exec(this.refused.get(address) ?? "") ?? [];
        done(code && Object.assign(new Error(text), { responseCode: Number(code) }));
      },
      onData: (stream, session, done) => this.#receive(stream, session, done),
    });
    this.server.on("error", () => {});
  }

  async start() {
    this.server.listen(0, "127.0.0.1");
    await once(this.server.server, "listening");
    this.port = this.server.server.address().port;
  }

  stop() {
    return new Promise((resolve) => this.server.close(resolve));
  }

  #receive(stream, session, done) {
    const chunks = [];
    stream.on("data", (chunk) => chunks.push(chunk));
    stream.on("end", () => {
      this.keep({
        from: session.envelope.mailFrom.address,
        to: session.envelope.rcptTo.map((rcpt) => rcpt.address),
        raw: Buffer.concat(chunks),
        generation: session.generation,
      });
      done();
    });
  }
}
