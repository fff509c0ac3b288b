// A DKIM signer: OpenDKIM with a key of its own and the settings of contrib/postfix or contrib/sendmail.
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";

const DOMAIN = "shop.example";
const SELECTOR = "test";

export class Signer {
  /** contrib: the directory of the documented opendkim.conf; dir: a scratch directory that Postfix's user can read. */
  constructor(contrib, dir, socket) {
    Object.assign(this, { contrib, dir, socket, settings: readFileSync(join(contrib, "opendkim.conf"), "utf8") });
  }

  start() {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const key = join(this.dir, "dkim.private");
    const conf = join(this.dir, "opendkim.conf");
    this.record = `v=DKIM1; k=rsa; p=${publicKey.export({ type: "spki", format: "der" }).toString("base64")}`;
    writeFileSync(key, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    const settings = this.settings.replace(/^Socket.*$/m, `Socket local:${this.socket}`).replace(/^UMask.*$/m, "UMask 000")
      .replace(/^FinalPolicyScript.*$/m, `FinalPolicyScript ${join(this.contrib, "opendkim.lua")}`);
    // /tmp is everybody's, so a key below it is not safe in OpenDKIM's eyes.
    writeFileSync(conf, `Syslog no\nMode s\nDomain ${DOMAIN}\nSelector ${SELECTOR}\nKeyFile ${key}\nRequireSafeKeys no\n${settings}`);
    this.child = spawn("/usr/sbin/opendkim", ["-f", "-x", conf], { stdio: ["ignore", "ignore", "inherit"] });
  }

  kill() {
    this.child?.kill("SIGKILL");
  }

  /** What a verifier says of a mail: { result: "pass", headers: [name, …] in lower case, as often as h= has them }. */
  async verify(raw) {
    const resolver = async (name, type) => {
      if (type === "TXT" && name === `${SELECTOR}._domainkey.${DOMAIN}`) return [[this.record]];
      throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
    };
    const { results } = await dkimVerify(raw, { resolver });
    const ours = results.filter((one) => one.signingDomain === DOMAIN);
    if (ours.length !== 1) return { result: `${ours.length} signatures`, headers: [] };
    const [, value] = /^DKIM-Signature:((?:.*\r\n)(?:[ \t].*\r\n)*)/im.exec(raw.toString("latin1"));
    const [, names] = /[;\s]h=([^;]*)/.exec(value);
    return { result: ours[0].status.result, headers: names.replace(/\s/g, "").toLowerCase().split(":") };
  }
}
