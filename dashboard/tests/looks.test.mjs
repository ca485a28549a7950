// Every page, dialog and state as it looks, in light, in dark and on a phone: nothing hidden from a screen reader, nothing too
// faint, nothing cut or wider than the window, nothing that the keyboard does not reach. The pictures are there to be looked at.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, fits, launch, open, PHONE, picture, reachable, WIDE } from './browser.mjs';
import { inhabited, views } from './views.mjs';

let daemon;
let browser;
let server;

before(async () => {
  daemon = await inhabited();
  browser = await launch();
  server = `/instances/${daemon.steady.id}`;
});

after(async () => {
  await browser?.close();
  await daemon?.close();
});

/** Opens a window of its own for what is not seen by the administrator, or not as the daemon answers. */
function apart({ at, as, first }, options) {
  return open(browser, daemon, { ...options, token: (as ?? { token: daemon.admin }).token, at, first });
}

/** Waits for a view and does what there is to do to see it. */
async function see(page, { sign, act, loading = false }) {
  if (sign !== undefined) await page.locator('main').getByText(sign).first().waitFor();
  if (loading) await page.locator('.skeleton').first().waitFor();
  else await page.locator('.skeleton').first().waitFor({ state: 'detached' });
  await act?.(page);
}

// The colours are all that the dark page has of its own, and the keyboard is the same for all.
for (const [how, options, rules] of [
  ['light', {}],
  ['dark', { colours: 'dark' }, ['color-contrast']],
  ['phone', { viewport: PHONE }],
]) {
  test(`every page can be used by everybody: ${how}`, async (context) => {
    const door = await open(browser, daemon, { ...options, token: null });
    await door.page.getByRole('button', { name: 'Sign in' }).waitFor();
    await accessible(door.page, `the door, ${how}`, rules);
    await fits(door.page, `the door, ${how}`);
    if (how === 'light') await reachable(door.page, `the door, ${how}`);
    await picture(door.page, `door-${how}`);
    await door.close();

    const shared = await open(browser, daemon, options);
    for (const view of views(daemon)) {
      await context.test(view.name, async () => {
        const own = view.as !== undefined || view.first !== undefined;
        const { page, seen, close } = own ? await apart(view, options) : shared;
        if (!own) {
          // By way of another page, so that nothing is left of the view before.
          await page.goto('/#/nowhere');
          await page.getByText('The address leads nowhere').waitFor();
          await page.goto(`/#${view.at}`);
        }
        await see(page, view);
        await picture(page, `${view.name}-${how}`);
        await accessible(page, `${view.name}, ${how}`, rules);
        await fits(page, `${view.name}, ${how}`);
        if (how === 'light') await reachable(page, `${view.name}, ${how}`);
        // What was held back from the page for its picture is no fault of the page.
        if (view.first !== undefined) seen();
        if (own) await close();
      });
    }
    await shared.close();
  });
}

test('what has no room in the bar of a phone is behind More', async () => {
  const { page, close } = await open(browser, daemon, { viewport: PHONE });
  await page.getByRole('button', { name: 'More' }).click();
  const more = page.getByRole('dialog', { name: 'More pages' });
  await more.waitFor();
  await accessible(page, 'the other pages');
  await fits(page, 'the other pages');
  await reachable(page, 'the other pages');
  await picture(page, 'more-phone');
  await more.getByRole('link', { name: 'Users' }).click();
  await page.getByRole('heading', { level: 1, name: 'Users' }).waitFor();
  await more.waitFor({ state: 'detached' });
  await close();
});

test('the keyboard alone reaches everything, sees where it is, and stays inside a dialog', async () => {
  const { page, close } = await open(browser, daemon);
  await page.getByRole('link', { name: 'mail archive' }).waitFor();
  await page.keyboard.press('Tab');
  const skip = page.getByRole('link', { name: 'Skip to the page' });
  assert.ok(
    await skip.evaluate((element) => element === document.activeElement && element.getBoundingClientRect().top >= 0),
    'the first stop leads past the navigation, and is seen',
  );
  await page.keyboard.press('Enter');
  const focused = () =>
    page.evaluate(() => {
      const element = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      const card = element.closest('.type-card');
      return {
        name: element.textContent || element.getAttribute('aria-label') || element.id,
        seen: card !== null || (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2),
      };
    });
  const seen = [];
  for (let step = 0; step < 40 && seen.at(-1)?.name !== 'mail archive'; step += 1) {
    await page.keyboard.press('Tab');
    seen.push(await focused());
  }
  assert.equal(seen.at(-1).name, 'mail archive', JSON.stringify(seen));
  assert.deepEqual(
    seen.filter((each) => !each.seen),
    [],
    'the focus is always seen',
  );
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'mail archive' }).waitFor();
  assert.ok(
    await page.locator('main').evaluate((element) => element === document.activeElement),
    'a new page begins at its beginning',
  );

  await page.getByRole('button', { name: 'Extend lease' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  for (let step = 0; step < 8; step += 1) {
    await page.keyboard.press('Tab');
    assert.ok(
      await page.evaluate(
        () => document.activeElement === document.body || document.activeElement.closest('dialog') !== null,
      ),
      `step ${step}`,
    );
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.equal((await focused()).name, 'Extend lease');
  await close();
});

test('colours are as chosen, also after a reload, and live changes are told to screen readers', async () => {
  const { page, close } = await open(browser, daemon, { viewport: WIDE, at: server });
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.getByRole('button', { name: /Change to light/ }).click();
  await page.getByRole('button', { name: /Change to dark/ }).click();
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  await page.getByRole('heading', { level: 1, name: 'mail archive' }).waitFor();
  assert.equal(await ground(), dark);
  await page.getByRole('button', { name: 'Restart', exact: true }).click();
  await page
    .locator('[role=status].visually-hidden', { hasText: 'mail archive: Running' })
    .waitFor({ state: 'attached' });
  await close();
});
