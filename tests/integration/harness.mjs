// A world for one test: scratch directory, key ring, profiles, mailtailord, a real Postfix or Sendmail in front of it, and
// a sink behind. Everything that was started is stopped at exit, by process id, also after a failure.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, mkdtempSync, chmodSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import nodemailer from "nodemailer";
import { Disk } from "./disk.mjs";
import { Faketime } from "./faketime.mjs";
import { read } from "./mail.mjs";
import { Signer } from "./signer.mjs";
import { Sink } from "./sink.mjs";
import { bail, comment, explainFailures, failures } from "./tap.mjs";

const run = promisify(execFile);
export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const build = process.env.MT_BUILD ?? join(root, "build");
export const corpus = resolve(root, process.env.CORPUS ?? "../shared/data");
/** How much slower than a plain build this one is: waits are stretched, loads are cut by it. */
export const slow = Number(process.env.MT_SLOW) || { tsan: 4, asan: 2 }[basename(build)] || 1;
export const TRACK = "https://t.shop.example";
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const ending = []; // what must not outlive this process; run in reverse, synchronously

process.on("exit", () => {
  for (const end of ending.reverse()) end();
});
// An error that no test waits for: a client whose connection broke, for example.
process.on("uncaughtException", (error) => {
  comment(error?.stack ?? error);
  bail("an error outside of any test");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));
let watchdog;
/** How long the whole test may take; it is ended then. */
export function timeLimit(seconds) {
  clearTimeout(watchdog);
  watchdog = setTimeout(() => bail("the test took too long"), seconds * 1000 * slow).unref();
}
timeLimit(240);

export async function until(what, condition, seconds = 20) {
  const end = Date.now() + seconds * slow * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(20);
  }
}

/**
 * A port that nobody listens on, below those the kernel gives to clients: it may be connected to before it is opened. Tests
 * that run side by side (tests/run) have ports of their own.
 */
export async function freePort() {
  const lanes = 8, each = 12000 / lanes;
  for (;;) {
    const port = 20000 + (Number(process.env.MT_LANE ?? 0) % lanes) * each + Math.floor(Math.random() * each);
    const server = net.createServer().listen(port, "127.0.0.1");
    const free = await new Promise((done) => server.on("listening", () => done(true)).on("error", () => done(false)));
    if (!free) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

/** Whether a process is there and does more than wait for its parent to look at its end. */
export function lives(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/[ZX]/.test(stat[stat.lastIndexOf(")") + 2]);
  } catch {
    return false;
  }
}

/** Whether somebody listens there: a path, or { host, port }. */
export function connects(path) {
  return new Promise((done) => {
    const socket = net.connect(path, () => done(true) || socket.destroy());
    socket.on("error", () => done(false));
  });
}

/** Sends lines (with their CR LF) to an SMTP port one after another, each once the last was answered; returns the answers. */
export async function dialog(port, lines) {
  const socket = net.connect(port, "127.0.0.1");
  const answers = [];
  let waiting;
  let buffer = "";
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    buffer += chunk;
    for (let m; (m = /^(?:\d{3}-[^\n]*\n)*\d{3} [^\n]*\n/.exec(buffer)); buffer = buffer.slice(m[0].length)) {
      answers.push(m[0].trim());
      waiting?.();
    }
  });
  const answer = () => new Promise((resolve) => (waiting = resolve));
  await answer();
  for (const line of lines) {
    const next = answer();
    socket.write(line);
    await next;
  }
  socket.destroy();
  return answers.slice(1);
}

/** One mailtailord. */
export class Daemon {
  /** env: more of its environment */
  constructor(conf, socket, log, env = {}) {
    Object.assign(this, { conf, socket, logFile: log, env });
    ending.push(() => this.child && this.child.exitCode === null && this.child.signalCode === null && this.child.kill("SIGKILL"));
  }

  /** The process id of its injector, or undefined. */
  injector() {
    const { stdout } = spawnSync("pgrep", ["-P", String(this.child.pid)], { encoding: "utf8" });
    return Number(stdout) || undefined;
  }

  async start() {
    const log = openSync(this.logFile, "a");
    this.child = spawn(join(build, "bin/mailtailord"), ["-c", this.conf], { stdio: ["ignore", "ignore", log], env: { ...process.env, ...this.env } });
    closeSync(log);
    this.ended = once(this.child, "exit");
    await until("mailtailord's socket", async () => {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`mailtailord ended with ${this.child.exitCode ?? this.child.signalCode}: ${this.log().slice(-2000)}`);
      return connects(this.socket);
    });
  }

  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, "utf8") : "";
  }

  /** Sends SIGUSR1 and waits for what the daemon says about it. */
  async reload() {
    const before = this.log().length;
    this.child.kill("SIGUSR1");
    return until("the reload", () => /reload: the new configuration [^\n]*/.exec(this.log().slice(before))?.[0]);
  }

  /** { code, signal } */
  async stop(signal = "SIGTERM") {
    this.child.kill(signal);
    const [code, by] = await this.ended;
    return { code, signal: by };
  }
}

/** One mailtailor-trackd; listen and private: ports. */
export class Trackd {
  constructor(conf, listen, metrics, log) {
    Object.assign(this, { conf, listen, metrics, logFile: log });
    ending.push(() => this.child && this.child.exitCode === null && this.child.signalCode === null && this.child.kill("SIGKILL"));
  }

  async start() {
    const log = openSync(this.logFile, "a");
    this.child = spawn(join(build, "bin/mailtailor-trackd"), ["-c", this.conf], { stdio: ["ignore", "ignore", log] });
    closeSync(log);
    this.ended = once(this.child, "exit");
    await until("trackd's port", async () => {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`mailtailor-trackd ended with ${this.child.exitCode ?? this.child.signalCode}: ${this.log().slice(-2000)}`);
      return connects({ host: "127.0.0.1", port: this.metrics });
    });
  }

  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, "utf8") : "";
  }

  /**
   * One request: { status, headers, body }. path may be a whole URL: its host is not asked. options: method, headers, body,
   * port. Never follows a redirect.
   */
  request(path, { method = "GET", headers = {}, body, port = this.listen } = {}) {
    const { pathname, search } = new URL(path, TRACK);
    return new Promise((done, failed) => {
      const asked = http.request({ host: "127.0.0.1", port, method, path: pathname + search, headers, agent: false }, (answer) => {
        const parts = [];
        answer.on("data", (part) => parts.push(part)).on("end", () => done({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) }));
        answer.on("error", failed);
      });
      asked.on("error", failed).end(body);
    });
  }

  async stop(signal = "SIGTERM") {
    this.child.kill(signal);
    const [code, by] = await this.ended;
    return { code, signal: by };
  }
}

/** One MTA: a Postfix or a Sendmail. */
class Mta {
  constructor(dir, script) {
    this.dir = dir;
    this.script = join(root, "tests", script);
    this.ports = {};
  }

  /** The number of a port that start() will open. */
  async reserve(name) {
    return (this.ports[name] = await freePort());
  }

  /** ports maps a name to its milters' sockets ([] for none). */
  async start(relayPort, ports, settings = {}, services = []) {
    const args = ["start", this.dir, "--sink", String(relayPort)];
    for (const [name, sockets] of Object.entries(ports)) {
      this.ports[name] ??= await freePort();
      args.push("--listen", `${this.ports[name]}${sockets.length > 0 ? `=${sockets.map((s) => `unix:${s}`).join(",")}` : ""}`);
    }
    for (const [name, value] of Object.entries({ ...this.settings(), ...settings })) args.push("--set", `${name}=${value}`);
    for (const line of services) args.push("--service", line);
    ending.push(() => spawnSync(this.script, ["stop", this.dir], { timeout: 60000 }));
    await run(this.script, args);
  }

  /** Of each instance, unless a test says otherwise. */
  settings() {
    return {};
  }

  drained(seconds = 60) {
    return run(this.script, ["drained", this.dir, String(seconds * slow)]);
  }

  log() {
    const file = join(this.dir, "log/maillog");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  stop() {
    return run(this.script, ["stop", this.dir]);
  }
}

export class Postfix extends Mta {
  constructor(dir) {
    super(dir, "scratch-postfix");
  }

  /** The process id of its master, whose group all its processes are. */
  master() {
    return Number(readFileSync(join(this.dir, "queue/pid/master.pid"), "latin1"));
  }

  /** kill -9 of all its processes at once; resolves when they are gone. */
  async kill() {
    const group = this.master();
    process.kill(-group, "SIGKILL");
    const processes = () => spawnSync("pgrep", ["-g", String(group)], { encoding: "utf8" }).stdout.split("\n").filter(Boolean);
    await until("the end of Postfix", () => !processes().some(lives));
  }

  /** After kill(): as it was. */
  again() {
    return run(this.script, ["again", this.dir]);
  }

  settings() {
    // Nothing is added to a message that lacks it: what arrives is then what was sent and what the milter did.
    return { local_header_rewrite_clients: "" };
  }

  /** What takes the mark of a job off a copy that leaves. */
  unmark() {
    return { smtp_header_checks: "regexp:{{/^X-Mailtailor-Job:/ IGNORE}}" };
  }
}

/** Its log is what went over the wire. The signer takes the mark of a job off. */
export class Sendmail extends Mta {
  constructor(dir) {
    super(dir, "scratch-sendmail");
  }

  unmark() {
    return {};
  }
}

/** The configuration of a test: what all have in common, and more. */
export function configuration(dir, { milter = "", inject = "", track = "", more = "", socket = "milter.sock", state = "state", map = "256M" } = {}) {
  return `
state { directory = "${dir}/${state}" map_size = ${map} }
keys { file = "${dir}/keys" }
track {
	host = "${TRACK}"
	queue = "${dir}/trackd.queue"
	${track}
}
milter {
	socket = "unix:${dir}/run/${socket}"
	socket_mode = 0660
	socket_group = postfix
	${milter}
}
${inject && `inject {\n${inject}\n}`}
${more}
`;
}

export class World {
  /**
   * conf: text behind the common part; milter, inject: lines of these sections; ports: of the MTA, name → milters' sockets
   * in run/; mta: Sendmail instead of Postfix; postfix: false for neither; profiles: address → object; settings: more of
   * main.cf or sendmail.mc; services: lines of master.cf, given the world. signer: true for one, as world.signer, on run/signer.sock. clock: the time that mailtailord and
   * the admin tool see, set by world.clock (faketime.mjs). With inject, the target is the MTA's port "inject", with the
   * signer if there is one, unless injectTo gives the number of another port. The MTA is world.mta, and world.postfix, too.
   * sink: what gives another one, with start(), stop() and a port.
   * track: lines of that section; then there is a world.trackd. map: state.map_size. disk: the size of a disk of its own for
   * the state directory, as world.disk (disk.mjs; ask Disk.impossible() first).
   */
  static async start(options) {
    if (process.getuid() !== 0) {
      console.log(`ok 1 - ${basename(process.argv[1], ".mjs")} # SKIP an MTA can only be started by root`);
      console.log("1..1");
      process.exit(0);
    }
    const world = new World();
    try {
      await world.#start(options);
    } catch (error) {
      comment(error.stderr ?? "");
      world.#explain();
      bail(`the world does not start: ${error.stack ?? error}`.replaceAll("\n", " | "));
    }
    return world;
  }

  async #start({ conf = "", milter = "", inject, injectTo, ports, mta = Postfix, postfix = true, profiles = {}, settings = {}, services = () => [], signer = false, clock, track, map, disk, sink = () => new Sink() }) {
    this.dir = mkdtempSync("/tmp/mailtailor-test.");
    chmodSync(this.dir, 0o755); // Postfix's user must get through to the socket
    ending.push(() => process.env.MT_KEEP || rmSync(this.dir, { recursive: true, force: true }));
    mkdirSync(join(this.dir, "run"));
    if (disk !== undefined) {
      this.disk = new Disk(join(this.dir, "state"), disk);
      ending.push(() => this.disk.unmount());
    }
    this.conf = join(this.dir, "mailtailor.conf");
    this.clock = clock && new Faketime(this.dir, join(build, "bin/mailtailord"), clock);
    this.mta = postfix ? new mta(join(this.dir, mta.name.toLowerCase())) : undefined;
    this.postfix = this.mta;
    if (signer) await this.#sign(mta.name.toLowerCase());
    if (inject !== undefined) this.inject = `target = "127.0.0.1:${injectTo ?? (await this.mta.reserve("inject"))}" ${inject}`;
    if (track !== undefined) {
      const ports = [await freePort(), await freePort()];
      this.track = `listen = "127.0.0.1:${ports[0]}" private = "127.0.0.1:${ports[1]}" ${track}`;
      this.trackd = new Trackd(this.conf, ...ports, join(this.dir, "trackd.log"));
    }
    this.map = map;
    this.configure({ milter, more: conf });
    process.env.MAILTAILOR_CONF = this.conf;
    this.mt("key", "generate");
    if (Object.keys(profiles).length > 0) this.profiles(profiles);
    this.socket = join(this.dir, "run/milter.sock");
    this.daemon = new Daemon(this.conf, this.socket, join(this.dir, "mailtailord.log"), this.clock?.env);
    await this.daemon.start();
    await this.trackd?.start();
    explainFailures(() => this.#explain());
    if (!postfix) return;
    this.sink = sink(this);
    await this.sink.start();
    ports ??= { campaign: ["milter.sock", ...(signer ? ["signer.sock"] : [])], plain: [] };
    if (this.mta.ports.inject) {
      ports = { inject: signer ? ["signer.sock"] : [], ...ports };
      settings = { ...this.mta.unmark(), ...settings };
    }
    const inRun = ([name, sockets]) => [name, sockets.map((socket) => join(this.dir, "run", socket))];
    await this.mta.start(this.sink.port, Object.fromEntries(Object.entries(ports).map(inRun)), settings, services(this));
  }

  async #sign(mta) {
    const socket = join(this.dir, "run/signer.sock");
    this.signer = new Signer(join(root, "contrib", mta), this.dir, socket);
    ending.push(() => this.signer.kill());
    this.signer.start();
    await until("the signer's socket", () => connects(socket));
  }

  /** Writes the configuration anew; the sections inject and track stay as they were at the start unless they are given. */
  configure(parts) {
    writeFileSync(this.conf, configuration(this.dir, { inject: this.inject, track: this.track, map: this.map, ...parts }));
  }

  /** Runs the admin tool; returns what it prints. */
  mt(...args) {
    const env = { ...process.env, MAILTAILOR_CONF: this.conf, ...this.clock?.env };
    return execFileSync(join(build, "bin/mailtailor"), args, { encoding: "utf8", stdio: ["pipe", "pipe", "inherit"], env, maxBuffer: 1 << 28 });
  }

  /** address → profile object */
  profiles(map) {
    const file = join(this.dir, "profiles.jsonl");
    writeFileSync(file, Object.entries(map).map(([email, profile]) => `${JSON.stringify({ email, ...profile })}\n`).join(""));
    this.mt("profile", "import", file);
  }

  token(url) {
    return JSON.parse(this.mt("token", "show", "--json", url));
  }

  /** A nodemailer transport to one of the MTA's ports; options as nodemailer's. */
  transport(port = "campaign", options = {}) {
    return nodemailer.createTransport({ host: "127.0.0.1", port: this.mta.ports[port], secure: false, ignoreTLS: true, name: "client.example", ...options });
  }

  /** Sends by nodemailer: { to, from, raw | subject, text, html, headers, …, port }. What goes wrong is returned, not thrown. */
  async submit({ port = "campaign", from = "news@shop.example", to, envelope, ...mail }) {
    const transport = this.transport(port);
    try {
      return await transport.sendMail({ from, to, envelope: envelope ?? { from, to }, date: new Date(), ...mail });
    } catch (error) {
      if (error.responseCode === undefined) throw error;
      return { code: error.responseCode, response: error.response, error };
    } finally {
      transport.close();
    }
  }

  /** Submits a campaign mail to one recipient and returns its copy, parsed. */
  async copy(mail) {
    const to = [mail.envelope?.to ?? mail.to].flat()[0];
    const before = this.sink.of(to).length;
    const answer = await this.submit(mail);
    assert.match(answer.response, /^250 /, "accepted");
    return read((await this.sink.take(to, before + 1)).at(-1));
  }

  #explain() {
    if (this.dir === undefined) return;
    if (this.trackd) comment(`--- trackd\n${this.trackd.log().split("\n").slice(-6).join("\n")}`);
    comment(`--- mailtailord\n${this.daemon?.log().split("\n").slice(-6).join("\n") ?? ""}`);
    if (this.mta?.log()) comment(`--- ${this.mta.constructor.name}\n${this.mta.log().split("\n").slice(-5).join("\n")}`);
  }

  /** Stops all; the daemon must end well (under a sanitizer: without a finding). */
  async stop() {
    const ended = await Promise.all([
      this.daemon.child.exitCode === null && this.daemon.child.signalCode === null ? this.daemon.stop() : { code: 0 },
      this.mta?.stop(),
      this.sink?.stop(),
      this.trackd && this.trackd.child.exitCode === null && this.trackd.child.signalCode === null ? this.trackd.stop() : { code: 0 },
    ]);
    this.signer?.kill();
    assert.deepEqual(ended[3].code, 0, `mailtailor-trackd ended with ${JSON.stringify(ended[3])}`);
    assert.doesNotMatch(this.trackd?.log() ?? "", /Sanitizer/);
    assert.deepEqual(ended[0].code, 0, `mailtailord ended with ${JSON.stringify(ended[0])}`);
    // What a sanitizer finds in the injector, a process of its own, is told there.
    assert.doesNotMatch(this.daemon.log(), /Sanitizer|injector: process \d+ ended with code/);
    if (failures() > 0) this.#explain();
  }
}
