// Servers as a person has them: made, watched, mended and deleted, each with the daemon's own processes behind it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open } from './browser.mjs';
import { Daemon, eventually } from './daemon.mjs';

let daemon;
let browser;

before(async () => {
  daemon = await new Daemon().start();
  browser = await launch();
  await daemon.faulty('steady', ['ok'], {
    display_name: 'Steady',
    resource_limits: { max_memory_mb: 256, max_cpu_percent: 100 },
    credential_fields: { required: ['api_key'], optional: ['private_key'] },
    config_template: { region: 'eu', retries: 3, verbose: false, tags: ['a'], secret_switch: 'x' },
    config_locked: ['secret_switch'],
  });
  await daemon.faulty('plain', ['ok']);
  await daemon.faulty('noisy', ['noisy', '30']);
  await daemon.faulty('crashing', ['crash-after', '150']);
});

after(async () => {
  await browser?.close();
  await daemon?.close();
});

/** Calls a server by the address and token that the page shows. */
async function call(address, token) {
  const response = await fetch(address, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
  });
  await response.body?.cancel();
  return response.status;
}

const row = (page, id) => page.locator(`tr[data-instance="${id}"]`);
const badge = (page) => page.getByRole('region', { name: 'Status' }).locator('.badge');

test('a server is made from the fields of its type, and its token, shown once, opens it', async () => {
  const { page, close } = await open(browser, daemon);
  await page.getByRole('heading', { name: 'No servers yet' }).waitFor();
  await page.getByRole('link', { name: 'Start the first one' }).click();
  await page.getByRole('radio', { name: /^Steady/ }).check();
  await page.getByText('You have none for Steady yet').waitFor();
  const start = page.getByRole('button', { name: 'Start the server' });
  assert.ok(await start.isDisabled(), 'without the credentials that it needs');

  await page.getByRole('button', { name: 'Add credentials' }).click();
  const dialog = page.getByRole('dialog', { name: 'Credentials for Steady' });
  await dialog.getByLabel('Name').fill('work');
  await dialog.getByLabel('API key', { exact: true }).fill('sk-canary-0123456789abcdef');
  await dialog.getByRole('button', { name: 'Store' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page
    .getByLabel('Credential set')
    .locator('option', { hasText: 'work (ends in cdef)' })
    .waitFor({ state: 'attached' });
  assert.ok(!(await page.content()).includes('sk-canary'), 'a value that was stored is on no page');

  await page.getByRole('textbox', { name: /^Name/ }).fill('mail <b>archive</b>');
  await page.getByLabel('Lease ends').selectOption({ label: '8 hours from now' });
  await page.getByLabel('Region').fill('us');
  assert.equal(await page.getByLabel('Secret switch').count(), 0, 'what the type locks is no field');
  await page.getByLabel('Tags').fill('["a", ');
  await start.click();
  await page.getByText('This has to be JSON').waitFor();
  await page.getByLabel('Tags').fill('["a", "b"]');
  await page.getByText('Limits, sleep and restarts').click();
  await page.getByLabel('Memory limit, MiB').fill('128');
  await page.getByLabel('Sleep after minutes').fill('30');
  await start.click();

  await page.getByRole('heading', { level: 1, name: 'mail <b>archive</b>' }).waitFor();
  await badge(page).filter({ hasText: 'Running' }).waitFor();
  const connect = page.getByRole('region', { name: 'Connect' });
  const address = await connect.locator('code').first().textContent();
  const token = await connect.locator('.fresh code').textContent();
  assert.match(token, /^mmcp_inst_/);
  assert.notEqual(await call(address, token), 401);
  assert.equal(await call(address, `${token}x`), 401);
  await connect.getByRole('button', { name: 'Copy access token' }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), token);
  const { paths } = await (await fetch(`${daemon.url}/openapi.json`)).json();
  const snippets = connect.getByText('For your client');
  if ('/v1/instances/{id}/client-config' in paths) {
    await connect.getByRole('button', { name: 'Inspector' }).click();
    await connect.locator('pre').filter({ hasText: address }).filter({ hasText: token }).first().waitFor();
  } else {
    assert.equal(await snippets.count(), 0);
  }
  await connect.getByRole('button', { name: 'I have it' }).click();
  assert.ok(!(await page.content()).includes(token), 'and is gone when it was put away');

  const [made] = (await daemon.ask('GET', '/v1/instances')).items;
  assert.equal(made.config.region, 'us');
  assert.deepEqual(made.config.tags, ['a', 'b']);
  assert.equal(made.limits.declared.max_memory_mb, 128);
  assert.ok(Date.parse(made.expires_at) - Date.now() > 7.9 * 3_600_000);
  await daemon.ask('DELETE', `/v1/instances/${made.id}`);
  await close();
});

test('the list follows what happens elsewhere without being loaded again', async () => {
  const { page, close } = await open(browser, daemon);
  await page.getByRole('heading', { level: 1, name: 'Servers' }).waitFor();
  await page.evaluate(() => {
    window.sameDocument = true;
  });
  const first = await daemon.running('plain', { name: 'alpha' });
  const second = await daemon.running('noisy', { name: 'beta' });
  await row(page, first.id).getByText('Running').waitFor();
  await row(page, second.id).getByText('Running').waitFor();
  await row(page, first.id).getByText(/MiB/).waitFor();
  await row(page, first.id).getByText(/59m/).waitFor();

  process.kill(first.process_id, 'SIGKILL');
  await row(page, first.id).locator('[data-label=Restarts]').getByText('1').waitFor();
  await row(page, first.id).getByText('Running').waitFor();
  await daemon.ask('POST', `/v1/instances/${second.id}/stop`);
  await row(page, second.id).getByText('Stopped').waitFor();

  await page.keyboard.press('/');
  await page.keyboard.type('alp');
  await row(page, second.id).waitFor({ state: 'detached' });
  await page.getByRole('searchbox').fill('');
  await page.getByRole('button', { name: /^Ended 1/ }).click();
  await row(page, first.id).waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'All', exact: true }).click();
  const names = () => page.locator('.cell-name a').allTextContents();
  await page.getByRole('button', { name: 'Name' }).click();
  assert.deepEqual(await names(), ['alpha', 'beta']);
  await page.getByRole('button', { name: 'Name' }).click();
  assert.deepEqual(await names(), ['beta', 'alpha']);
  assert.equal(await page.getByRole('columnheader', { name: 'Name' }).getAttribute('aria-sort'), 'descending');

  await daemon.ask('DELETE', `/v1/instances/${second.id}`);
  await row(page, second.id).waitFor({ state: 'detached' });
  assert.ok(await page.evaluate(() => window.sameDocument));
  await close();
});

test('stop, start, restart, extend, a new token and deletion do what they say', async () => {
  const made = await daemon.running('plain', { name: 'gamma' });
  const { page, close } = await open(browser, daemon, { at: `/instances/${made.id}` });
  const actions = page.locator('.page-actions');
  const button = (name) => actions.getByRole('button', { name, exact: true });
  await badge(page).getByText('Running').waitFor();

  await button('Restart').click();
  await page.getByRole('region', { name: 'History' }).getByText('run 2').first().waitFor();
  await badge(page).getByText('Running').waitFor();
  await button('Stop').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stop' }).click();
  await badge(page).getByText('Stopped').waitFor();
  assert.equal((await daemon.ask('GET', `/v1/instances/${made.id}`)).status, 'stopped');
  await button('Start').click();
  await badge(page).getByText('Running').waitFor();

  await button('Extend lease').click();
  await page.getByRole('dialog').getByLabel('New end').selectOption({ label: '1 day from now' });
  await page.getByRole('dialog').getByRole('button', { name: 'Extend' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page
    .getByRole('region', { name: 'Details' })
    .getByText(/23h 59m/)
    .waitFor();

  await button('New token').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Make it' }).click();
  const token = await page.locator('.fresh code').textContent();
  assert.notEqual(await call(made.access_url, token), 401);
  assert.equal(await call(made.access_url, made.access_token), 401, 'the old one is refused');

  await button('Delete').click();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.ok(
    await button('Delete').evaluate((element) => element === document.activeElement),
    'the focus is where it was',
  );
  await button('Delete').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('heading', { level: 1, name: 'Servers' }).waitFor();
  await assert.rejects(daemon.ask('GET', `/v1/instances/${made.id}`), /instance_not_found/);
  await close();
});

test('a server that keeps ending is an alert, says why, and is restored', async () => {
  const made = await daemon.create('crashing', { name: 'falls over', restart: { intensity: 1 } });
  const { page, close } = await open(browser, daemon, { at: '/alerts' });
  const alert = page.getByRole('listitem').filter({ hasText: 'falls over is disconnected' });
  await alert.waitFor();
  await page.getByRole('navigation').getByText('1 to look at').waitFor();
  await alert.getByRole('link').click();
  await badge(page).getByText('Disconnected').waitFor();
  const end = page.getByRole('region', { name: 'Last end of its process' });
  await end.getByText('Exited with code 3').waitFor();
  await end.getByText('faulty: crashed as asked').first().waitFor();
  await page.getByRole('region', { name: 'Diagnosis' }).getByText('What to do next').waitFor();
  await page.getByRole('region', { name: 'History' }).getByText('Disconnected').first().waitFor();
  const { generation } = await daemon.reaches(made.id, 'disconnected');
  await page.getByRole('button', { name: 'Restore' }).click();
  await eventually(
    'it ran again',
    async () => (await daemon.ask('GET', `/v1/instances/${made.id}`)).generation > generation,
  );
  await badge(page).getByText('Disconnected').waitFor();
  await daemon.ask('DELETE', `/v1/instances/${made.id}`);
  await close();
});

test('logs, charts and history go on by themselves, and what servers write is text', async () => {
  const made = await daemon.running('noisy', { name: '"><script>document.title="stolen"</script>' });
  const { page, close } = await open(browser, daemon, { at: `/instances/${made.id}` });
  const log = page.getByRole('region', { name: 'Log lines' });
  await log
    .getByText(/line 29\b|0*29/)
    .first()
    .waitFor();
  const lines = await log.locator('.log-line').count();
  await page.getByRole('button', { name: 'Restart', exact: true }).click();
  await eventually('more lines come', async () => (await log.locator('.log-line').count()) > lines);
  await page.getByRole('region', { name: 'History' }).getByText('run 2').first().waitFor();
  const cpu = page.getByRole('img', { name: /^CPU from/ });
  await cpu.waitFor();
  assert.ok(
    await cpu.locator('canvas').evaluate((canvas) =>
      canvas
        .getContext('2d')
        .getImageData(0, 0, canvas.width, canvas.height)
        .data.some((value) => value > 0),
    ),
    'something is drawn',
  );
  await page.getByRole('button', { name: 'Stderr' }).click();
  await log.locator('.log-stderr').first().waitFor();
  assert.equal(await log.locator('.log-stdout').count(), 0);
  assert.equal(await page.title(), '"><script>document.title="stolen"</script> · MiniMCP');
  await page.getByRole('button', { name: 'Check now' }).click();
  await page.getByText('Check again').waitFor();
  await daemon.ask('DELETE', `/v1/instances/${made.id}`);
  await close();
});

test('a tab that nobody sees gives its connection back, and goes on where it was when it is seen', async () => {
  const made = await daemon.running('plain', { name: 'epsilon' });
  const { page, close } = await open(browser, daemon, { at: '/nowhere' });
  await page.clock.install();
  await page.goto('/#/');
  await page.reload();
  await row(page, made.id).getByText('Running').waitFor();
  const streams = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/v1/events')) streams.push(request.headers()['last-event-id']);
  });
  const ended = page.waitForEvent('requestfailed', (request) => request.url().endsWith('/v1/events'));
  const show = (hidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await daemon.ask('POST', `/v1/instances/${made.id}/stop`);
  await row(page, made.id).getByText('Stopped').waitFor();
  await show(true);
  await page.clock.fastForward(25_000);
  await ended;
  await daemon.ask('POST', `/v1/instances/${made.id}/restart`);
  await daemon.reaches(made.id, 'running');
  assert.deepEqual(streams, [], 'it asks for nothing while it is not seen');
  await show(false);
  await row(page, made.id).getByText('Running').waitFor();
  await eventually('it goes on', () => streams.length === 1);
  assert.match(streams[0], /^\d+/, 'behind the last event that it had seen');
  await daemon.ask('DELETE', `/v1/instances/${made.id}`);
  await close();
});

test('a daemon that goes away is said to be away, and everything goes on when it is back', async () => {
  const made = await daemon.running('plain', { name: 'delta' });
  const { page, close } = await open(browser, daemon);
  await row(page, made.id).getByText('Running').waitFor();
  await page.locator('.link-state').getByText('Live').waitFor();
  await daemon.end('SIGKILL');
  await page.locator('.link-state').getByText('Offline').waitFor();
  await row(page, made.id).waitFor();
  await daemon.start();
  await page.locator('.link-state').getByText('Live').waitFor();
  await eventually(
    'it is adopted',
    async () => (await daemon.ask('GET', `/v1/instances/${made.id}`)).status === 'running',
  );
  await daemon.ask('POST', `/v1/instances/${made.id}/stop`);
  await row(page, made.id).getByText('Stopped').waitFor();
  await close();
});
