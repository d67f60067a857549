// Types into the page of a bundle in Chromium: node browse.mjs PLAYWRIGHT CHROMIUM PAGE TEXT WORDS PICTURES
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [, , playwright, executablePath, file, text, count, pictures] = process.argv;
const { chromium } = createRequire(pathToFileURL(`${playwright}/`))("playwright-core");
const looks = [
  { name: "light", colorScheme: "light", viewport: { width: 800, height: 900 } },
  { name: "dark", colorScheme: "dark", viewport: { width: 800, height: 900 } },
  { name: "phone", colorScheme: "dark", viewport: { width: 360, height: 740 } },
];
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const found = [];
for (const { name, ...look } of looks) {
  const page = await browser.newPage(look);
  const requests = [], errors = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => errors.push(message.text()));
  await page.goto(pathToFileURL(file).href);
  await page.locator("#answer", { hasNotText: "Loading…" }).waitFor();
  const empty = await page.textContent("#answer");
  await page.keyboard.type(text); // the field has the focus
  await page.locator(".word").nth(Number(count) - 1).waitFor(); // the last one, so all of it is answered
  found.push({
    name,
    empty,
    requests,
    errors,
    answer: await page.textContent("#answer"),
    shares: await page.locator("#scores .share").allTextContents(),
    words: await page.locator(".word").allTextContents(),
    facts: await page.textContent("#facts"),
    wide: await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth),
    tree: await page.locator("main").ariaSnapshot(),
  });
  await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
}
await browser.close();
console.log(JSON.stringify(found));
