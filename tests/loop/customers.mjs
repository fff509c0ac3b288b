// Simulated customers. What the shop knows of them (profile) and what they are like (taste) are drawn from one seed, but only
// the simulator asks for tastes: what sends the mail sees profiles and what comes back.
import { createHash } from "node:crypto";

export const CATEGORIES = ["garden", "kitchen", "books", "sport"];
const COUNTRIES = ["DE", "FR", "GB", "US"];

/** Numbers in [0, 1) that hang on the words alone: the same customer does the same with the same mail, in any order. */
export function draw(...words) {
  const hash = createHash("sha256").update(words.join("\0")).digest();
  let at = 0;
  return () => {
    if (at + 6 > hash.length) throw new Error("more numbers are drawn than there are");
    const value = hash.readUIntBE(at, 6) / 2 ** 48;
    at += 6;
    return value;
  };
}

const pick = (list, u) => list[Math.floor(u * list.length)];

export const address = (i) => `c${i}@${["mail.example", "post.example", "office.example", "inbox.example"][i % 4]}`;
export const numberOf = (to) => Number(/^c(\d+)@/.exec(to)[1]);

/** What he likes, whatever the shop knows: how much of each category (they add up to 1), how patient he is, who reads for him. */
export function taste(seed, i) {
  const u = draw(seed, "taste", i);
  const favourite = pick(CATEGORIES, u());
  const likes = Object.fromEntries(CATEGORIES.map((c) => [c, c === favourite ? 0.7 : 0.1]));
  return {
    favourite,
    likes,
    buys: 0.15 + 0.3 * u(),
    patience: u(),
    // An image proxy fetches what is opened; a scanner follows all links at once, before anybody reads.
    proxy: i % 4 === 0,
    scanner: i % 4 === 2 && u() < 0.3,
  };
}

/** What the shop knows: his country, his age, the category he last bought of, which tells his taste seven times in ten. */
export function profile(seed, i) {
  const { favourite } = taste(seed, i);
  const u = draw(seed, "profile", i);
  const telling = u() < 0.7;
  const other = pick(CATEGORIES, u());
  return {
    first_name: `Customer ${i}`,
    country: pick(COUNTRIES, u()),
    age: 18 + Math.floor(60 * u()),
    last_category: telling ? favourite : other,
    consent: { tracking: "granted" },
  };
}
