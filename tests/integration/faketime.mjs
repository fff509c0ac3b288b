// A clock on the wall that a test sets while programs run by it: libfaketime, preloaded. It stands still at the second it
// was set to, so "not a second before" needs no luck. The monotonic clock, by which programs wait, runs on.
import { execFileSync } from "node:child_process";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const LIBRARY = `/usr/lib/${{ x64: "x86_64", arm64: "aarch64" }[process.arch]}-linux-gnu/faketime/libfaketimeMT.so.1`;

export class Faketime {
  /** dir: where the clock's file is kept; program: one that will run by it. */
  constructor(dir, program, at) {
    if (!existsSync(LIBRARY)) throw new Error(`there is no ${LIBRARY}: contrib/install-deps check`);
    this.file = join(dir, "clock");
    this.set(at);
    // A sanitizer's runtime has to come before everything else.
    const sanitizer = /=> (\S*\/lib[at]san\.so\S*)/.exec(execFileSync("ldd", [program], { encoding: "utf8" }))?.[1];
    /** For the programs' environment. */
    this.env = {
      LD_PRELOAD: [sanitizer, LIBRARY].filter(Boolean).join(":"),
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      // Its work-around for an older glibc ends every timed wait on the monotonic clock at once.
      FAKETIME_FORCE_MONOTONIC_FIX: "0",
      NO_FAKE_STAT: "1",
      TZ: "UTC", // of what is in the file
    };
  }

  /** at: Date, milliseconds or text; whole seconds. */
  set(at) {
    this.now = new Date(at);
    writeFileSync(`${this.file}.new`, `${this.now.toISOString().slice(0, 19).replace("T", " ")}\n`);
    renameSync(`${this.file}.new`, this.file); // it is read at any moment
  }
}
