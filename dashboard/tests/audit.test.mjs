// The audit trail as an administrator reads it: by user and time, part by part, and whether it is whole.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fits, launch, open, PHONE } from './browser.mjs';
import { Daemon } from './daemon.mjs';

let daemon;
let browser;
let una;

before(async () => {
  daemon = await new Daemon().start();
  browser = await launch();
  una = await daemon.user('una', 'user');
  await daemon.user('ida', 'user');
  await daemon.faulty('plain', ['ok']);
  await daemon.running('plain', { name: 'of una' }, una.token);
});

after(async () => {
  await browser?.close();
  await daemon?.close();
});

const rows = (page) => page.locator('.trail tbody tr');
const chain = (page) => page.getByRole('region', { name: "The trail's chain" });

test('what was done is read by user and by time', async () => {
  const { page, close } = await open(browser, daemon);
  await page.getByRole('link', { name: 'Audit' }).click();
  await page.getByRole('heading', { level: 1, name: 'Audit' }).waitFor();
  await chain(page).getByText('The trail is whole.').waitFor();
  await rows(page).filter({ hasText: 'type.create' }).first().waitFor();
  await page.getByLabel('By user').selectOption({ label: 'una' });
  await rows(page).filter({ hasText: 'type.create' }).first().waitFor({ state: 'detached' });
  const made = rows(page).filter({ hasText: 'instance.create' }).filter({ hasText: 'Done' });
  await made.getByText('127.0.0.1').waitFor();
  const others = await rows(page).locator('.trail-who').allTextContents();
  assert.ok(
    others.every((who) => who.includes('una')),
    others.join(),
  );

  await page.getByLabel('By user').selectOption({ label: 'ida' });
  await page.getByRole('heading', { name: 'No record fits' }).waitFor();
  await page.getByLabel('By user').selectOption({ label: 'Everybody' });
  await page.getByLabel('Since').selectOption({ label: 'The last hour' });
  await rows(page).filter({ hasText: 'type.create' }).first().waitFor();
  await page.reload();
  assert.equal(await page.getByLabel('Since').inputValue(), 'hour', 'the choice is in the address');
  const DAY = 86_400_000;
  const ageOf = (request) => Date.now() - Date.parse(new URL(request.url()).searchParams.get('since'));
  const [asked] = await Promise.all([
    // The reloaded page may still be asking for the last hour.
    page.waitForRequest((request) => ageOf(request) > DAY),
    page.getByLabel('Since').selectOption({ label: 'The last 7 days' }),
  ]);
  assert.ok(Math.abs(ageOf(asked) - 7 * DAY) < 60_000, asked.url());
  await close();
});

test('older records come on request, to the first one there is', async () => {
  for (let n = 0; n < 30; n += 1) await daemon.faulty(`many-${n}`, ['ok']);
  const { page, close } = await open(browser, daemon, { at: '/audit' });
  await rows(page).first().waitFor();
  assert.equal(await rows(page).count(), 50);
  const older = page.getByRole('button', { name: 'Show older' });
  while (await older.isVisible()) {
    const before = await rows(page).count();
    await older.click();
    await page.waitForFunction((count) => document.querySelectorAll('.trail tbody tr').length > count, before);
  }
  const numbers = (await rows(page).locator('.trail-when .id').allTextContents()).map(Number);
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers[0] }, (_, n) => numbers[0] - n),
    'all of them, each once',
  );
  await close();
});

test('a trail that cannot be read is said to be, and is read again on request, on a phone, by keyboard', async () => {
  const { page, close } = await open(browser, daemon, { viewport: PHONE });
  await page.getByRole('button', { name: 'More' }).focus();
  let refuse = true;
  await page.route('**/v1/audit?*', (route) =>
    refuse
      ? route.fulfill({
          status: 503,
          contentType: 'application/problem+json',
          json: { status: 503, code: 'audit_unavailable', detail: 'the audit trail cannot be read' },
        })
      : route.continue(),
  );
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'More pages' }).getByRole('link', { name: 'Audit' }).press('Enter');
  const trouble = page.getByRole('alert');
  await trouble.getByText('The audit trail cannot be read.').waitFor();
  refuse = false;
  await trouble.getByRole('button', { name: 'Try again' }).press('Enter');
  await rows(page).first().waitFor();
  await fits(page, 'the trail on a phone');
  await close();
});

test('only administrators read it', async () => {
  const otto = await daemon.user('otto', 'operator');
  for (const token of [una.token, otto.token]) {
    const { page, close } = await open(browser, daemon, { token, at: '/audit' });
    await page.getByRole('heading', { level: 1, name: 'Nothing here' }).waitFor();
    assert.equal(await page.getByRole('link', { name: 'Audit' }).count(), 0);
    await close();
  }
});

test('where somebody changed the trail, the page says at which record', async () => {
  const { page, close } = await open(browser, daemon, { at: '/audit' });
  await chain(page).getByText('The trail is whole.').waitFor();
  const dir = join(daemon.dir, 'data/audit');
  const files = readdirSync(dir).map((name) => join(dir, name));
  const file = files.find((each) => readFileSync(each, 'utf8').includes('"type.create"'));
  const lines = readFileSync(file, 'utf8').split('\n');
  const at = lines.findIndex((line) => line.includes('"type.create"'));
  const { seq } = JSON.parse(lines[at].slice(lines[at].indexOf('{'), lines[at].lastIndexOf('}') + 1));
  lines[at] = lines[at].replace('type.create', 'type.delete');
  writeFileSync(file, lines.join('\n'));
  await chain(page).getByRole('button', { name: 'Check all of it' }).click();
  await chain(page).getByText(`The trail is broken at record ${seq}.`).waitFor();
  await chain(page).getByText('Changed').waitFor();
  await close();
});
