// Every page as it looks, in light, in dark and on a phone: nothing hidden from a screen reader, nothing too faint,
// nothing wider than the window. The pictures are there to be looked at.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, fits, launch, open, PHONE, picture, pictures, WIDE } from './browser.mjs';
import { Daemon } from './daemon.mjs';

let daemon;
let browser;
let views;

before(async () => {
  daemon = await new Daemon().start();
  browser = await launch();
  await daemon.faulty('steady', ['ok'], {
    display_name: 'Steady',
    resource_limits: { max_memory_mb: 256, max_cpu_percent: 50 },
    credential_fields: { required: ['api_key'], optional: ['private_key'] },
    config_template: { region: 'eu', verbose: false },
  });
  await daemon.faulty('noisy', ['noisy', '40']);
  await daemon.faulty('crashing', ['crash-after', '150']);
  const una = await daemon.user('una', 'user');
  const expires_at = new Date(Date.now() + 3 * 86_400_000).toISOString();
  const set = await daemon.ask('POST', '/v1/credentials', {
    mcp_type: 'steady',
    name: 'work',
    fields: { api_key: 'sk-0123456789abcdef' },
    expires_at,
  });
  const steady = await daemon.running('steady', { name: 'mail archive', credential_id: set.id });
  await daemon.running('everything', { name: 'reference', expiration_minutes: 8 }, una.token);
  const stopped = await daemon.running('noisy', {
    name: 'a server with quite a long name that has to be cut somewhere',
  });
  await daemon.ask('POST', `/v1/instances/${stopped.id}/stop`);
  const crashing = await daemon.create('crashing', { name: '<img src=x onerror=alert(1)>', restart: { intensity: 1 } });
  await daemon.reaches(crashing.id, 'disconnected');
  views = {
    servers: ['/', 'mail archive'],
    new: ['/new?type=steady', 'Start the server'],
    server: [`/instances/${steady.id}`, 'peak'],
    disconnected: [`/instances/${crashing.id}`, 'What to do next'],
    alerts: ['/alerts', 'expire in'],
    credentials: ['/credentials', 'ends in'],
    types: ['/types', 'Slack MCP'],
    actors: ['/actors', 'sampler'],
    users: ['/users', 'una'],
    user: [`/users/${una.id}`, 'Role and limits'],
    account: ['/account', 'API tokens'],
    nothing: ['/nowhere', 'The address leads nowhere'],
  };
});

after(async () => {
  await browser?.close();
  await daemon?.close();
});

// The colours are all that the dark page has of its own.
for (const [how, options, rules] of [
  ['light', {}],
  ['dark', { colours: 'dark' }, ['color-contrast']],
  ['phone', { viewport: PHONE }],
]) {
  test(`every page can be used by everybody: ${how}`, async (context) => {
    context.diagnostic(`pictures: ${pictures}`);
    const door = await open(browser, daemon, { ...options, token: null });
    await door.page.getByRole('button', { name: 'Sign in' }).waitFor();
    await accessible(door.page, `the door, ${how}`, rules);
    await fits(door.page, `the door, ${how}`);
    await picture(door.page, `door-${how}`);
    await door.close();

    const { page, close } = await open(browser, daemon, options);
    for (const [name, [at, sign]] of Object.entries(views)) {
      await page.goto(`/#${at}`);
      await page.locator('main').getByText(sign).first().waitFor();
      await page.locator('.skeleton').first().waitFor({ state: 'detached' });
      await accessible(page, `${name}, ${how}`, rules);
      await fits(page, `${name}, ${how}`);
      await picture(page, `${name}-${how}`);
    }
    await page.goto(`/#${views.server[0]}`);
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('dialog').waitFor();
    await accessible(page, `a dialog, ${how}`, rules);
    await picture(page, `dialog-${how}`);
    await close();
  });
}

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
  const { page, close } = await open(browser, daemon, { viewport: WIDE, at: views.server[0] });
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
