// Opens reports in a browser and looks at what a test of their text cannot see: whether they fit, whether they can be read by
// everybody, and whether the browser has complaints. Ends with 1 and says what is wrong.
//
//   COMEBACK_CHROMIUM=/usr/bin/chromium COMEBACK_NODE_MODULES=… node check.mjs PICTURES REPORT.html…
//
// Into the folder PICTURES go a picture of each report at each size and in each colour scheme, and the printed pages.

import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const modules = process.env.COMEBACK_NODE_MODULES;
const chromium = process.env.COMEBACK_CHROMIUM;
const [pictures, ...reports] = process.argv.slice(2);
if (!modules || !chromium || reports.length === 0) {
  console.error("usage: COMEBACK_CHROMIUM=… COMEBACK_NODE_MODULES=… node check.mjs PICTURES REPORT.html…");
  process.exit(64);
}
const require = createRequire(join(resolve(modules), "x.js"));
const found = await import(pathToFileURL(require.resolve("puppeteer-core")).href);
const puppeteer = found.default ?? found;
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };
const wrong = [];

const browser = await puppeteer.launch({
  executablePath: chromium,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
try {
  for (const report of reports) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      for (const scheme of ["light", "dark"]) {
        await look(report, size, viewport, scheme);
      }
    }
    await print(report);
  }
} finally {
  await browser.close();
}
for (const line of wrong) console.error(line);
console.log(`${reports.length} reports, ${wrong.length} complaints`);
process.exit(wrong.length === 0 ? 0 : 1);

async function open(report, viewport, scheme) {
  const page = await browser.newPage();
  const name = basename(report, ".html");
  page.on("console", (message) => wrong.push(`${name}: console: ${message.text()}`));
  page.on("pageerror", (error) => wrong.push(`${name}: error: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith("file:")) wrong.push(`${name}: asks for ${request.url()}`);
  });
  await page.setViewport(viewport);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(pathToFileURL(resolve(report)).href, { waitUntil: "load", timeout: 60_000 });
  return page;
}

async function look(report, size, viewport, scheme) {
  const name = `${basename(report, ".html")} ${size} ${scheme}`;
  const page = await open(report, viewport, scheme);
  const seen = await page.evaluate(() => ({
    scroll: document.documentElement.scrollWidth,
    client: document.documentElement.clientWidth,
    levels: [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((heading) => Number(heading.tagName[1])),
    scripts: document.scripts.length,
    lang: document.documentElement.lang,
  }));
  if (seen.scroll > seen.client) wrong.push(`${name}: ${seen.scroll} wide in ${seen.client}`);
  if (seen.scripts > 0) wrong.push(`${name}: has a script`);
  if (!["en", "ja"].includes(seen.lang)) wrong.push(`${name}: its language is "${seen.lang}"`);
  if (seen.levels[0] !== 1 || seen.levels.filter((level) => level === 1).length !== 1) {
    wrong.push(`${name}: needs one first heading, in front`);
  }
  seen.levels.forEach((level, at) => {
    if (at > 0 && level > seen.levels[at - 1] + 1) wrong.push(`${name}: heading ${at + 1} skips a level`);
  });
  await page.screenshot({ path: join(pictures, `${name.replaceAll(" ", "-")}.png`), fullPage: true });
  // The report's own policy forbids every script, so the checker comes in beside it.
  const session = await page.createCDPSession();
  await session.send("Page.setBypassCSP", { enabled: true });
  await page.reload({ waitUntil: "load" });
  await page.evaluate(axe);
  const { violations } = await page.evaluate(async () => await globalThis.axe.run(document));
  for (const violation of violations) {
    const where = violation.nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(" | ");
    wrong.push(`${name}: ${violation.id}: ${violation.help}: ${where}`);
  }
  await page.close();
}

async function print(report) {
  const page = await open(report, SIZES.desktop, "light");
  await page.pdf({ path: join(pictures, `${basename(report, ".html")}.pdf`), preferCSSPageSize: true, printBackground: false });
  await page.close();
}
