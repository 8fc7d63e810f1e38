// The browser's half of scripts/report-check.
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const WIDTHS = [360, 768, 1440];
const THEMES = ["light", "dark"];
const SERIOUS = ["serious", "critical"];
const MOST_BYTES = 5_000_000;
const MOST_MS = 2_000;

const args = process.argv.slice(2);
let pictures = null;
if (args[0] === "--pictures") {
  args.shift();
  pictures = args.shift();
  mkdirSync(pictures, { recursive: true });
}
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  // Whoever runs as root has no sandbox; the pages are ours.
  args: ["--no-sandbox", "--hide-scrollbars"],
});

// Everything that is drawn only when it comes into view, in view.
async function scrollThrough(page) {
  await page.evaluate(async () => {
    for (let y = 0; y < document.documentElement.scrollHeight; y += 500) {
      scrollTo(0, y);
      await new Promise((done) => requestAnimationFrame(done));
    }
    scrollTo(0, 0);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  });
}

// What of the page is printed on A4: nothing may lie beyond the paper's edge, and no section is lost.
async function onPaper(page, file) {
  await page.emulateMediaType("print");
  // A4 less the margins that the page asks for, in CSS pixels.
  await page.setViewport({ width: Math.round(((210 - 24) / 25.4) * 96), height: 1000 });
  await scrollThrough(page);
  const found = await page.evaluate(() => {
    const edge = document.documentElement.clientWidth + 1;
    const wide = [...document.querySelectorAll("table, .track, .uplot, svg")].filter((e) => e.getBoundingClientRect().right > edge);
    return wide.map((e) => `${e.tagName.toLowerCase()} ${(e.caption ?? e).textContent.trim().slice(0, 40)}: beyond the paper by ${Math.round(e.getBoundingClientRect().right - edge)} px`);
  });
  if (pictures) {
    await page.pdf({ path: `${pictures}/${basename(file, ".html")}.pdf`, preferCSSPageSize: true, format: "A4", printBackground: true });
  }
  return found;
}

async function look(file, width, theme) {
  const page = await browser.newPage();
  const errors = [];
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith("file:")) errors.push(`asks for ${request.url()}`);
  });
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
  const begun = performance.now();
  await page.goto(pathToFileURL(resolve(file)), { waitUntil: "load", timeout: 60_000 });
  // Loaded is what is drawn.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const ms = performance.now() - begun;
  await scrollThrough(page);
  const [charts, drawn, overflow] = await page.evaluate(() => [
    document.querySelectorAll("figure.chart").length,
    document.querySelectorAll("figure.chart canvas").length,
    document.documentElement.scrollWidth - document.documentElement.clientWidth,
  ]);
  if (charts !== drawn) errors.push(`${drawn} of ${charts} charts drawn`);
  if (overflow > 0) errors.push(`${overflow} px wider than the window`);
  if (pictures) {
    const name = `${basename(file, ".html")}-${width}-${theme}.png`;
    await page.screenshot({ path: `${pictures}/${name}`, fullPage: true });
  }
  // The page's policy lets no script in, but for a debugger's.
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.map((v) => ({ id: v.id, impact: v.impact, nodes: v.nodes.length, first: v.nodes[0].html.slice(0, 160) }));
  });
  if (width === WIDTHS[0] && theme === "light") {
    errors.push(...(await onPaper(page, file)));
  }
  await page.close();
  return { ms, errors, charts, found };
}

let bad = false;
const rows = [];
for (const file of args) {
  const bytes = statSync(file).size;
  const all = { slowest: 0, errors: new Set(), charts: 0, serious: new Map(), lesser: new Map() };
  for (const width of WIDTHS) {
    for (const theme of THEMES) {
      const { ms, errors, charts, found } = await look(file, width, theme);
      all.slowest = Math.max(all.slowest, ms);
      all.charts = charts;
      errors.forEach((error) => all.errors.add(`${width} ${theme}: ${error}`));
      for (const one of found) {
        (SERIOUS.includes(one.impact) ? all.serious : all.lesser).set(one.id, one);
      }
    }
  }
  rows.push([file.split("/").slice(-2).join("/"), `${(bytes / 1e6).toFixed(2)} MB`, all.charts, `${all.slowest.toFixed(0)} ms`, all.errors.size, all.serious.size, all.lesser.size]);
  for (const error of all.errors) console.error(`${file}: ${error}`);
  for (const one of [...all.serious.values(), ...all.lesser.values()]) {
    console.error(`${file}: ${one.impact}: ${one.id}, ${one.nodes} times, first ${one.first}`);
  }
  bad ||= bytes >= MOST_BYTES || all.slowest >= MOST_MS || all.errors.size > 0 || all.serious.size > 0;
}
await browser.close();
console.log("| page | size | charts | slowest load of 6 | errors | serious findings | lesser |");
console.log("|---|---|---|---|---|---|---|");
for (const row of rows) console.log(`| ${row.join(" | ")} |`);
process.exit(bad ? 1 : 0);
