// Which kill made which duplicate, by what the copies say of themselves and by what the log says; no time is guessed.
//
//   redelivered  Postfix delivered it, and was killed before that was on its disk: twice from one queue file. It belongs to
//                the kill that ended the Postfix that made the first connection.
//   uncertain    Postfix took it from the injector and was killed before it said so: two queue files, and mailtailord's log
//                says "uncertain". It belongs to the first kill of Postfix after the first hand-over.
//   unrecorded   the injector was killed before it had written down the end of the copy: two queue files, and nothing in the
//                log. It belongs to the first kill of the injector after the first hand-over.
//
// The moment of a hand-over is in Postfix's long queue id, to the microsecond.
export const CAUSES = ["redelivered", "uncertain", "unrecorded"];

const DIGITS = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

/** Milliseconds since 1970, from a long queue id (Postfix's mail_queue.h). */
export function queueTime(id) {
  const time = id.slice(0, id.lastIndexOf("z"));
  const number = (text) => [...text].reduce((sum, digit) => sum * DIGITS.length + DIGITS.indexOf(digit), 0);
  return number(time.slice(0, -4)) * 1000 + number(time.slice(-4)) / 1000;
}

/** The queue id under which a copy came from the injector into Postfix: in its first Received field. */
export function queueId(mail) {
  return /^Received:(?:.|\r\n[ \t])*?\bid ([0-9A-Za-z]+)/.exec(mail.raw.subarray(0, 1000).toString("latin1"))[1];
}

/**
 * The extra copies of one recipient: [{ cause, kill }], kill undefined when none explains it. mails: in the order of
 * arrival; uncertain: how often the log says so of this copy; kills: in their order, { from, at, postfix, injector,
 * generation }: when it was begun, when all that was killed was seen to be dead (its successor may have handed over by
 * then, where this process is slow), what it killed, and the generation of Postfix that it ended.
 */
export function attribute(mails, uncertain, kills) {
  const out = [];
  const handed = new Map(); // queue id → mails
  for (const mail of mails) {
    const id = queueId(mail);
    handed.set(id, [...(handed.get(id) ?? []), mail]);
  }
  for (const same of handed.values())
    for (const before of same.slice(0, -1))
      out.push({ cause: "redelivered", kill: kills.find((kill) => kill.postfix && kill.generation === before.generation) });
  const times = [...handed.keys()].map(queueTime).sort((a, b) => a - b);
  const again = times.slice(0, -1).map((begin, i) => {
    const first = (what) => kills.find((kill) => kill[what] && kill.at >= begin && kill.from <= times[i + 1]);
    return { postfix: first("postfix"), injector: first("injector") };
  });
  // A kill of both may be the one or the other: what the log says of a copy goes first to where nothing else explains it.
  const ends = again.map(({ postfix, injector }) => !injector && postfix && uncertain-- > 0);
  for (const [i, { postfix, injector }] of again.entries()) {
    const known = ends[i] || (injector && postfix && uncertain-- > 0);
    out.push(known ? { cause: "uncertain", kill: postfix } : { cause: "unrecorded", kill: injector });
  }
  return out;
}
