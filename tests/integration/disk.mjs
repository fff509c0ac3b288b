// A disk of a test's own, as small as it likes: a tmpfs.
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, rmdirSync, writeSync } from "node:fs";
import { join } from "node:path";

function run(...command) {
  const { status, stderr, error } = spawnSync(command[0], command.slice(1), { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command.join(" ")}: ${error?.message ?? stderr.trim()}`);
}

export class Disk {
  /** Mounts it on dir, which is made. size: as tmpfs understands it, such as "48m". */
  constructor(dir, size) {
    this.dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    run("mount", "-t", "tmpfs", "-o", `size=${size},mode=700`, "none", dir);
  }

  /** Why there can be none; undefined: there can. */
  static impossible() {
    const dir = mkdtempSync("/tmp/mailtailor-disk.");
    try {
      new Disk(dir, "64k").unmount();
      return undefined;
    } catch (error) {
      return error.message;
    } finally {
      rmdirSync(dir);
    }
  }

  /** Somebody else takes all that is left. */
  fill() {
    const block = Buffer.alloc(1 << 16, "x");
    const fd = openSync(join(this.dir, "filler"), "a");
    try {
      // The last bytes, too: a write that finds less room than it wants is cut.
      for (;;) writeSync(fd, block);
    } catch (error) {
      if (error.code !== "ENOSPC") throw error;
    } finally {
      closeSync(fd);
    }
  }

  /** And gives it back. */
  free() {
    rmSync(join(this.dir, "filler"), { force: true });
  }

  unmount() {
    run("umount", "-l", this.dir);
  }
}
