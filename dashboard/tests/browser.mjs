// One Chromium, and pages that fail their test for what a person would never see: errors on the console, refused
// scripts and styles, and what keeps others out.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const programs = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where the pictures go, if anybody wants them. */
const pictures = process.env['PICTURES'];
if (pictures !== undefined) mkdirSync(pictures, { recursive: true });

export const WIDE = { width: 1280, height: 860 };
/** As narrow as phones are. */
export const PHONE = { width: 360, height: 780 };

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
  { token = daemon.admin, colours = 'light', viewport = WIDE, at = '/', first = undefined } = {},
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
  await first?.(page);
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
  // What a dialog covers would count as lying over its buttons.
  const covered = (await page.getByRole('dialog').count()) > 0;
  const targets = { rules: { 'target-size': { enabled: !covered } } };
  const options = { resultTypes: ['violations'], ...(rules === undefined ? targets : { runOnly: rules }) };
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

/** Nothing is wider than the window, reaches beyond it or is cut, but for what can be scrolled there and names that end in dots. */
export async function fits(page, what) {
  const wrong = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const found = scrollWidth > clientWidth ? [`the page by ${scrollWidth - clientWidth} px`] : [];
    const shown = document.querySelector('dialog[open]') ?? document;
    for (const element of shown.querySelectorAll('main *, header *, dialog *, nav *')) {
      const { right, width, height } = element.getBoundingClientRect();
      const { textOverflow, webkitLineClamp, clipPath, overflowX } = getComputedStyle(element);
      if (width < 2 || height < 2 || clipPath !== 'none' || element.closest('svg, canvas, .visually-hidden')) continue;
      const scrolls = (each) => ['auto', 'scroll'].includes(getComputedStyle(each).overflowX);
      let above = element;
      while (above !== document.body && !scrolls(above)) above = above.parentElement;
      const name = `${element.tagName.toLowerCase()}.${element.className}: ${element.textContent.slice(0, 40)}`;
      if (above === document.body && right > clientWidth + 0.5) found.push(`${name} reaches to ${right}`);
      const shortened = textOverflow === 'ellipsis' || webkitLineClamp !== 'none';
      if (['hidden', 'clip'].includes(overflowX) && !shortened && element.scrollWidth > element.clientWidth + 1)
        found.push(`${name} is cut`);
    }
    return found;
  });
  assert.deepEqual(wrong, [], `${what} fits into the window`);
}

/** The keyboard reaches everything that can be used, and one always sees where it is. */
export async function reachable(page, what) {
  const usable = await page.evaluate(() => {
    const root = document.querySelector('dialog[open]') ?? document.body;
    const all = [...root.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')];
    const radios = new Set();
    const wanted = all.filter((element) => {
      const { width, height } = element.getBoundingClientRect();
      if (width < 1 || height < 1 || element.disabled || !element.checkVisibility({ visibilityProperty: true }))
        return false;
      // The arrows go on within a group.
      if (element.type !== 'radio') return true;
      if (radios.has(element.name)) return false;
      const group = all.filter((each) => each.type === 'radio' && each.name === element.name);
      if (element !== (group.find((each) => each.checked) ?? group[0])) return false;
      radios.add(element.name);
      return true;
    });
    const walked = { left: new Set(wanted), unseen: [] };
    window.walked?.until.abort();
    window.walked = Object.assign(walked, { until: new AbortController() });
    const stepped = ({ target }) => {
      walked.left.delete(target);
      if (target.matches('main, dialog')) return;
      const { outlineStyle, outlineWidth } = getComputedStyle(target.closest('.type-card') ?? target);
      const { bottom, top } = target.getBoundingClientRect();
      const seen = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 && bottom > 0 && top < innerHeight;
      if (!seen) walked.unseen.push(target.outerHTML.slice(0, 160));
    };
    document.addEventListener('focusin', stepped, { signal: walked.until.signal });
    document.activeElement?.blur();
    return wanted.length;
  });
  // Some fields have several stops.
  const done = () => page.evaluate(() => [...window.walked.left].every((element) => !element.isConnected));
  for (let step = 0; step < usable + 16; step += 1) {
    await page.keyboard.press('Tab');
    if (step >= usable - 1 && (await done())) break;
  }
  const { missed, unseen } = await page.evaluate(() => ({
    // A message may have gone meanwhile.
    missed: [...window.walked.left]
      .filter((element) => element.isConnected)
      .map((element) => element.outerHTML.slice(0, 160)),
    unseen: window.walked.unseen,
  }));
  assert.deepEqual({ missed, unseen }, { missed: [], unseen: [] }, what);
}

/** The whole page, or what is seen of it where a dialog covers it. */
export async function picture(page, name) {
  if (pictures === undefined) return;
  const fullPage = (await page.getByRole('dialog').count()) === 0;
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage });
}
