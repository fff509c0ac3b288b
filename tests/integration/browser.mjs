// A headless Chromium that runs no scripts of pages, and what can be seen in one of its pages.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The browser is gone when this process is. */
export function launch() {
  const executablePath = process.env.CHROMIUM ?? PROGRAMS.find(existsSync);
  if (!executablePath) throw new Error("there is no Chromium: contrib/install-deps check");
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
}

/** Telephone: a small one. options as playwright's. */
export const PHONE = { viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };

export const context = (browser, options = {}) => browser.newContext({ javaScriptEnabled: false, ...options });

// ---- what follows runs in the page, by way of the debugger: the page's own scripts stay off ----

/** How wide what is shown is, and what sticks out. */
export const width = (page) =>
  page.evaluate(() => {
    const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5);
    return { scrolls: document.documentElement.scrollWidth - innerWidth, wide: wide.map((e) => e.outerHTML.slice(0, 80)) };
  });

/** What can be pressed and is smaller than 44 CSS pixels either way (WCAG 2.5.5), a label standing for what it labels. */
export const smallTargets = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll("a, button, label, input:not([type=hidden]):not([type=radio]):not([type=checkbox])")]
      .filter((e) => !(e.tagName === "LABEL" && e.htmlFor))
      .map((e) => [e.getBoundingClientRect(), e])
      .filter(([box]) => box.width < 44 || box.height < 44)
      .map(([box, e]) => `${Math.round(box.width)}x${Math.round(box.height)} ${e.outerHTML.slice(0, 80)}`),
  );

/** Fields without a label of their own, groups of fields without a legend, buttons and links without a name. */
export const unlabelled = (page) =>
  page.evaluate(() => [
    ...[...document.querySelectorAll("input:not([type=hidden])")].filter((e) => ![...e.labels].some((l) => l.textContent.trim())),
    ...[...document.querySelectorAll("fieldset")].filter((e) => !e.querySelector(":scope > legend")?.textContent.trim()),
    ...[...document.querySelectorAll("button, a")].filter((e) => !e.textContent.trim()),
    ...[...document.querySelectorAll("[aria-describedby]")].filter((e) => !document.getElementById(e.getAttribute("aria-describedby"))),
  ].map((e) => e.outerHTML.slice(0, 80)));

/** Text of less than 4.5:1 to what is behind it (WCAG 1.4.3), and borders of fields of less than 3:1 (1.4.11). */
export const faint = (page) =>
  page.evaluate(() => {
    const parse = (css) => (css.match(/[\d.]+/g) ?? []).map(Number);
    const over = ([r, g, b, a = 1], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a)];
    const behind = (e) => {
      if (!e) return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
      const color = parse(getComputedStyle(e).backgroundColor);
      return color[3] === 0 ? behind(e.parentElement) : over(color, color[3] === undefined ? color : behind(e.parentElement));
    };
    const luminance = (rgb) => {
      const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (a, b) => {
      const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
      return (light + 0.05) / (dark + 0.05);
    };
    const bad = [];
    let seen = 0;
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const e = texts.currentNode.parentElement;
      if (!texts.currentNode.data.trim()) continue;
      seen++;
      const back = behind(e);
      const r = ratio(over(parse(getComputedStyle(e).color), back), back);
      if (r < 4.5) bad.push(`${r.toFixed(2)} ${e.outerHTML.slice(0, 80)}`);
    }
    for (const e of document.querySelectorAll("input[type=text]")) {
      const r = ratio(parse(getComputedStyle(e).borderTopColor), behind(e.parentElement));
      if (r < 3) bad.push(`border ${r.toFixed(2)} ${e.outerHTML.slice(0, 80)}`);
    }
    return { seen, bad };
  });

/** What has the focus, and why one does not see it, if so. It should have an outline of 2 px or more that differs 3:1 from
 * what it lies on (2.4.11), and be in sight. */
export const focused = (page) =>
  page.evaluate(() => {
    const e = document.activeElement;
    const style = getComputedStyle(e);
    const lum = (css) => {
      const [r, g, b] = css.match(/[\d.]+/g).slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const [dark, light] = [lum(style.outlineColor), lum(getComputedStyle(document.querySelector("main")).backgroundColor)].sort((a, b) => a - b);
    const box = e.getBoundingClientRect();
    const hidden = [];
    if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) hidden.push(`outline ${style.outlineStyle} ${style.outlineWidth}`);
    if ((light + 0.05) / (dark + 0.05) < 3) hidden.push(`outline ${style.outlineColor}`);
    if (box.top < 0 || box.bottom > innerHeight) hidden.push(`at ${box.top} to ${box.bottom} of ${innerHeight}`);
    return { is: e === document.body ? undefined : (e.getAttribute("name") ?? e.getAttribute("href")), value: e.getAttribute("value"), hidden };
  });
