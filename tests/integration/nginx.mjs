// The nginx of contrib/nginx/mailtailor.conf, in a scratch directory, on loopback ports: the snippet itself, with the
// addresses, the certificate and the directories of a test in it. Its certificate is its own.
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TRACK, freePort, root, until, connects } from "./harness.mjs";

const HOST = new URL(TRACK).hostname;

/** text with what each pattern finds replaced; each must find something: the snippet is what the test believes it is. */
function edit(text, edits) {
  for (const [pattern, by] of edits) {
    if (!pattern.test(text)) throw new Error(`contrib/nginx/mailtailor.conf has nothing like ${pattern}`);
    text = text.replace(pattern, by);
  }
  return text;
}

export class Nginx {
  constructor(dir) {
    this.dir = join(dir, "nginx");
    mkdirSync(this.dir);
    this.certificate = join(this.dir, "cert.pem");
    process.on("exit", () => this.child && this.child.exitCode === null && this.child.signalCode === null && this.child.kill("SIGTERM"));
  }

  #configure(upstream) {
    const snippet = edit(readFileSync(join(root, "contrib/nginx/mailtailor.conf"), "utf8"), [
      [/server 127\.0\.0\.1:8025;/, `server 127.0.0.1:${upstream};`],
      [/listen 80;\n\tlisten \[::\]:80;/, `listen 127.0.0.1:${this.plain};`],
      [/listen 443 ssl http2;\n\tlisten \[::\]:443 ssl http2;/, `listen 127.0.0.1:${this.tls} ssl http2;`],
      [/t\.example\.com;/g, `${HOST};`],
      [/ssl_certificate {5}\S+;/, `ssl_certificate ${this.certificate};`],
      [/ssl_certificate_key \S+;/, `ssl_certificate_key ${this.dir}/key.pem;`],
    ]);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${this.dir}/${name};`).join("\n");
    const text = `daemon off;\nuser root;\nworker_processes 1;\npid ${this.dir}/pid;\nerror_log ${this.dir}/error.log notice;\nevents { worker_connections 256; }\nhttp {\n${temporary}\naccess_log ${this.dir}/access.log;\n${snippet}\n}\n`;
    writeFileSync(join(this.dir, "nginx.conf"), text);
  }

  /** upstream: trackd's port */
  async start(upstream) {
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", `/CN=${HOST}`, "-addext", `subjectAltName=DNS:${HOST}`, "-keyout", join(this.dir, "key.pem"), "-out", this.certificate], { stdio: "ignore" });
    this.plain = await freePort();
    this.tls = await freePort();
    this.#configure(upstream);
    const log = openSync(join(this.dir, "stderr"), "a");
    this.child = spawn("nginx", ["-p", this.dir, "-c", join(this.dir, "nginx.conf")], { stdio: ["ignore", "ignore", log] });
    closeSync(log);
    this.ended = once(this.child, "exit");
    await until("nginx", async () => {
      if (this.child.exitCode !== null) throw new Error(`nginx ended with ${this.child.exitCode}: ${readFileSync(join(this.dir, "stderr"), "utf8")}`);
      return connects({ host: "127.0.0.1", port: this.tls });
    });
  }

  /** What was logged of requests; the snippet says: nothing. */
  accessLog() {
    const file = join(this.dir, "access.log");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  /**
   * One request by curl, whose TLS and HTTP/2 are not Node's: { version, status, headers, body }. url is one of a copy.
   * args: more of curl's, such as --http1.1, --data or --form.
   */
  curl(url, ...args) {
    const all = ["--silent", "--show-error", "--include", "--max-time", "30", "--cacert", this.certificate, "--connect-to", `${HOST}:443:127.0.0.1:${this.tls}`, "--connect-to", `${HOST}:80:127.0.0.1:${this.plain}`, ...args, url];
    return new Promise((done, failed) =>
      execFile("curl", all, { encoding: "latin1", maxBuffer: 1 << 24 }, (error, out) => {
        if (error) return failed(error);
        const [, version, status, head, body] = /^HTTP\/([\d.]+) (\d{3})[^\r]*\r\n(.*?)\r\n\r\n(.*)$/s.exec(out.replace(/^HTTP\/1\.1 100[^\r]*\r\n\r\n/, ""));
        const headers = Object.fromEntries(head.split("\r\n").map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]));
        done({ version, status: Number(status), headers, body: Buffer.from(body, "latin1") });
      }),
    );
  }

  async stop() {
    this.child.kill("SIGTERM");
    await this.ended;
  }
}
