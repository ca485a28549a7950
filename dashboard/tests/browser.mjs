// One Chromium, and pages that fail their test for what a person would never see: errors on the console, refused
// scripts and styles, and what keeps others out.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const programs = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where the pictures go. */
export const pictures = process.env['PICTURES'] ?? mkdtempSync(join(tmpdir(), 'minimcp-dashboard-pictures-'));
mkdirSync(pictures, { recursive: true });

export const WIDE = { width: 1280, height: 860 };
export const PHONE = { width: 375, height: 780 };

export async function launch() {
  const executablePath = programs.find((each) => each !== undefined && existsSync(each));
  assert.ok(executablePath, 'the tests need Chromium: apt-get install chromium, or name it in CHROMIUM');
  // root may not use Chromium's sandbox, and sees only what these tests serve.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args });
}

/** A window of its own, and what went wrong in it so far. */
export async function open(
  browser,
  daemon,
  { token = daemon.admin, colours = 'light', viewport = WIDE, at = '/' } = {},
) {
  const context = await browser.newContext({
    viewport,
    colorScheme: colours,
    reducedMotion: 'reduce',
    hasTouch: viewport === PHONE,
    baseURL: daemon.url,
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(`error: ${error.stack}`));
  page.on('console', (message) => {
    // Whatever the page's policy stops is an error there. So is each request that the daemon refuses: What the page makes of it is what the tests look at.
    const refusal = /^Failed to load resource/.test(message.text()) && new URL(message.location().url).pathname !== '/';
    if (['error', 'warning'].includes(message.type()) && !refusal) wrong.push(`${message.type()}: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(daemon.url) && !request.url().startsWith('data:'))
      wrong.push(`asked elsewhere: ${request.url()}`);
    if (/mmcp_/.test(request.url())) wrong.push(`a token in an address: ${request.url()}`);
  });
  if (token !== null)
    await context.addInitScript((text) => {
      sessionStorage.setItem('minimcp.token', text);
    }, token);
  await page.goto(at === '/' ? '/' : `/#${at}`);
  return {
    page,
    /** What went wrong so far, which then counts as seen. */
    seen: () => wrong.splice(0),
    /** Nothing went wrong; then closes the window. */
    async close() {
      await context.close();
      assert.deepEqual(wrong, []);
    },
  };
}

/** Whoever cannot see or use a mouse can use the page as it stands; with `rules` only what these say of it. */
export async function accessible(page, what, rules) {
  // By way of the debugger: the page itself runs no script that is not its own.
  await page.evaluate(axe);
  const options = { resultTypes: ['violations'], ...(rules === undefined ? {} : { runOnly: rules }) };
  const { violations } = await page.evaluate((given) => window.axe.run(document, given), options);
  const words = violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}\n${nodes
        .slice(0, 4)
        .map(({ html, failureSummary }) => `    ${html.slice(0, 200)}\n      ${failureSummary}`)
        .join('\n')}`,
  );
  assert.deepEqual(words, [], what);
}

/** Nothing is wider than the window. */
export async function fits(page, what) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${what} is ${over} px wider than the window`);
}

export async function picture(page, name) {
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: false });
}
