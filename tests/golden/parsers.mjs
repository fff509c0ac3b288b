// The parsers that judge ours, out of tests/integration/node_modules (see tests/integration/prepare).
import { createRequire } from "node:module";

const load = createRequire(new URL("../integration/package.json", import.meta.url));

export const { parse, parseFragment } = load("parse5");
export const { simpleParser } = load("mailparser");
export const libqp = load("libqp");
export const iconv = load("iconv-lite");
