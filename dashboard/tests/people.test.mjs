// Who may come in, what each role sees, and what becomes of tokens and credentials.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open } from './browser.mjs';
import { Daemon, eventually } from './daemon.mjs';

let daemon;
let browser;
let una;
let otto;
let server;

before(async () => {
  daemon = await new Daemon().start();
  browser = await launch();
  await daemon.faulty('plain', ['ok']);
  await daemon.faulty('keyed', ['ok'], {
    display_name: 'Keyed',
    credential_fields: { required: ['api_key'], optional: [] },
  });
  una = await daemon.user('una', 'user');
  otto = await daemon.user('otto', 'operator');
  server = await daemon.running('plain', { name: 'of una' }, una.token);
});

after(async () => {
  await browser?.close();
  await daemon?.close();
});

test('a token lets in, a wrong one is told what is wrong with it, and none is ever in an address', async () => {
  const { page, close } = await open(browser, daemon, { token: null });
  const field = page.getByLabel('API token', { exact: true });
  const enter = page.getByRole('button', { name: 'Sign in' });
  await page.getByText('data/admin.token').waitFor();
  await field.fill(server.access_token);
  await enter.click();
  await page.getByText('This is the access token of one server').waitFor();
  await field.fill(`mmcp_api_${'x'.repeat(43)}`);
  await enter.click();
  await page.getByText('The daemon does not know this token').waitFor();
  assert.equal(await field.getAttribute('type'), 'password');
  await field.fill(` ${daemon.admin}\n`);
  await enter.click();
  await page.getByRole('heading', { level: 1, name: 'Servers' }).waitFor();
  assert.ok(!page.url().includes('mmcp_'));
  const stores = await page.evaluate(() => [Object.values(localStorage), document.cookie].flat().join());
  assert.ok(!stores.includes('mmcp_'), 'the token is in no place that outlives the tab');
  await page.reload();
  await page.getByRole('heading', { level: 1, name: 'Servers' }).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await field.waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await page.reload();
  await field.waitFor();
  await close();
});

test('a token that is revoked ends the session and says so', async () => {
  const ulf = await daemon.user('ulf', 'user');
  const { page, close } = await open(browser, daemon, { token: ulf.token, at: '/account' });
  await page.getByRole('heading', { level: 1, name: 'Your account' }).waitFor();
  await page.getByText('0 of 50').waitFor();
  await page.getByRole('button', { name: 'Revoke tests' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await page.getByText('Your token does not hold any more').waitFor();
  await close();
});

test('operators see everything and are offered no change', async () => {
  const { page, close } = await open(browser, daemon, { token: otto.token });
  await page.getByRole('link', { name: 'of una' }).click();
  await page.getByRole('region', { name: 'Status' }).getByText('Running').waitFor();
  await page.getByRole('region', { name: 'Diagnosis' }).waitFor();
  for (const name of ['Stop', 'Restart', 'Delete', 'Extend lease', 'New token']) {
    assert.equal(await page.getByRole('button', { name, exact: true }).count(), 0, name);
  }
  await page.getByRole('link', { name: 'Actors' }).click();
  await page.getByText('supervisor').first().waitFor();
  await page.getByRole('link', { name: 'of una' }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'Users' }).count(), 0);
  await page.getByRole('link', { name: 'Types' }).click();
  await page.getByRole('heading', { name: 'Keyed' }).waitFor();
  assert.equal(await page.getByRole('link', { name: /New server/ }).count(), 0);
  for (const at of ['new', 'users']) {
    await page.goto(`/#/${at}`);
    await page.getByRole('heading', { level: 1, name: 'Nothing here' }).waitFor();
  }
  await close();
});

test('users see their own and nothing of the daemon', async () => {
  await daemon.running('plain', { name: 'of the admin' });
  const { page, close } = await open(browser, daemon, { token: una.token });
  await page.getByRole('link', { name: 'of una' }).waitFor();
  assert.equal(await page.getByText('of the admin').count(), 0);
  for (const name of ['Actors', 'Users']) assert.equal(await page.getByRole('link', { name }).count(), 0, name);
  assert.equal(await page.getByRole('columnheader', { name: 'User' }).count(), 0);
  await page.goto('/#/actors');
  await page.getByRole('heading', { level: 1, name: 'Nothing here' }).waitFor();
  await close();
});

test('administrators add users, bound them, make their tokens and delete them', async () => {
  const { page, close } = await open(browser, daemon, { at: '/users' });
  await page.getByRole('button', { name: 'Add user' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('una');
  await dialog.getByRole('button', { name: 'Add' }).click();
  await dialog.getByRole('alert').waitFor();
  await dialog.getByLabel('Name').fill('ida');
  await dialog.getByLabel('Role').selectOption('operator');
  await dialog.getByRole('button', { name: 'Add' }).click();
  await page.getByRole('link', { name: 'ida' }).click();
  await page.getByRole('heading', { level: 1, name: 'ida' }).waitFor();
  await page.getByLabel('Role', { exact: true }).selectOption('user');
  await page.getByLabel('Servers optional').fill('2');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('ida is changed.').waitFor();
  const ida = (await daemon.ask('GET', '/v1/users?limit=500')).items.find(({ name }) => name === 'ida');
  assert.deepEqual([ida.role, ida.limits.max_instances], ['user', 2]);
  await page.getByRole('button', { name: 'New API token' }).click();
  await dialog.getByLabel('Name').fill('laptop');
  await dialog.getByRole('button', { name: 'Make it' }).click();
  const token = await dialog.locator('code').textContent();
  assert.equal((await daemon.ask('GET', '/v1/me', undefined, token)).name, 'ida');
  await dialog.getByRole('button', { name: 'I have it' }).click();
  await page.getByRole('button', { name: 'Revoke laptop' }).waitFor();
  assert.ok(!(await page.content()).includes(token));
  await page.getByRole('button', { name: 'Delete user' }).click();
  await dialog.getByRole('button', { name: 'Delete user' }).click();
  await page.getByRole('heading', { level: 1, name: 'Users' }).waitFor();
  await assert.rejects(daemon.ask('GET', '/v1/me', undefined, token), /401/);
  await close();
});

test('credentials are added, replaced and deleted, and their values are never shown again', async () => {
  const { page, close } = await open(browser, daemon, { at: '/credentials' });
  await page.getByRole('button', { name: 'Add credentials' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: /^Keyed/ }).click();
  await dialog.getByLabel('Name').fill('work');
  await dialog.getByLabel('API key', { exact: true }).fill('sk-canary-1111222233334444');
  await dialog.getByRole('button', { name: 'Store' }).click();
  const card = page.getByRole('listitem').filter({ hasText: 'work' });
  await card.getByText('4444').waitFor();
  const [set] = (await daemon.ask('GET', '/v1/credentials')).items;
  const made = await daemon.running('keyed', { credential_id: set.id });
  await card.getByText('1 server').waitFor();

  await card.getByRole('button', { name: 'Delete work' }).click();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await dialog.getByRole('alert').waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();

  await card.getByRole('button', { name: 'Replace work' }).click();
  assert.equal(await dialog.getByLabel('API key', { exact: true }).inputValue(), '');
  await dialog.getByLabel('API key', { exact: true }).fill('sk-canary-5555666677778888');
  await dialog.getByText('Do they expire?').click();
  await dialog.getByLabel('They expire at').fill(new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 16));
  await dialog.getByRole('button', { name: 'Replace' }).click();
  await card.getByText('8888').waitFor();
  await page.getByText(/gets a new process/).waitFor();
  assert.ok(!(await page.content()).includes('sk-canary'));
  await page.getByRole('link', { name: /^Alerts/ }).click();
  await page.getByText('The credentials work (keyed) expire in').waitFor();

  await daemon.ask('DELETE', `/v1/instances/${made.id}`);
  await page.getByRole('link', { name: 'Credentials', exact: true }).click();
  await card.getByRole('button', { name: 'Delete work' }).click();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('heading', { name: 'No credentials yet' }).waitFor();
  await close();
});

test('administrators register a type from its definition and remove it when nothing uses it', async () => {
  const { page, close } = await open(browser, daemon, { at: '/types' });
  const dialog = page.getByRole('dialog');
  await page.getByRole('button', { name: 'Add type' }).click();
  const definition = { name: 'Wrong Name', display_name: 'New one', server_script: 'faulty/index.mjs', args: ['ok'] };
  await dialog.getByLabel('Definition').fill('{');
  await dialog.getByRole('button', { name: 'Register' }).click();
  await dialog.getByText('This is no JSON').waitFor();
  await dialog.getByLabel('Definition').fill(JSON.stringify(definition));
  await dialog.getByRole('button', { name: 'Register' }).click();
  await dialog.getByText('/name:').waitFor();
  await dialog.getByLabel('Definition').fill(JSON.stringify({ ...definition, name: 'new-one' }));
  await dialog.getByRole('button', { name: 'Register' }).click();
  const card = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: 'New one' }) });
  await card.waitFor();
  const made = await daemon.running('new-one', { expiration_minutes: 5 });
  await page.getByRole('link', { name: /^Alerts/ }).click();
  await page.getByRole('button', { name: 'Extend' }).click();
  await dialog.getByRole('button', { name: 'Extend' }).click();
  await page.getByText(/^The lease of new-one/).waitFor({ state: 'detached' });
  await page.getByRole('link', { name: 'Types' }).click();
  await card.getByRole('button', { name: 'Remove New one' }).click();
  await dialog.getByRole('button', { name: 'Remove' }).click();
  await dialog.getByRole('alert').waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await daemon.ask('DELETE', `/v1/instances/${made.id}`);
  await card.getByRole('button', { name: 'Remove New one' }).click();
  await dialog.getByRole('button', { name: 'Remove' }).click();
  await card.waitFor({ state: 'detached' });
  assert.equal(await page.getByRole('button', { name: 'Remove Slack MCP' }).count(), 0, 'what the daemon brings stays');
  await close();
});

test('what somebody else put into the page could neither run nor send anything', async () => {
  const { page, seen, close } = await open(browser, daemon);
  await page.getByRole('heading', { level: 1, name: 'Servers' }).waitFor();
  const tried = await page.evaluate(async () => {
    const outcome = {};
    const attempt = async (name, act) => {
      try {
        await act();
        outcome[name] = 'done';
      } catch {
        outcome[name] = 'refused';
      }
    };
    const put = (name, change) => {
      const element = document.createElement(name);
      change(element);
      document.body.append(element);
      return element;
    };
    await attempt('markup', () => put('p', (element) => (element.innerHTML = '<b>x</b>')));
    await attempt('script', () => put('script', (element) => (element.text = 'window.ran = 1')));
    await attempt('elsewhere', () => fetch('https://elsewhere.invalid/'));
    put('img', (element) => (element.src = 'https://elsewhere.invalid/x.png'));
    put('p', (element) => element.setAttribute('style', 'color: red'));
    outcome.ran = 'ran' in window;
    outcome.style = document.body.lastElementChild.style.color;
    return outcome;
  });
  assert.deepEqual(tried, {
    markup: 'refused',
    script: 'refused',
    elsewhere: 'refused',
    ran: false,
    style: '',
  });
  const told = [];
  const rules = ['connect-src', 'img-src', 'style-src', 'TrustedHTML', 'TrustedScript'];
  await eventually('the browser says what it stopped', () => {
    told.push(...seen());
    return rules.every((rule) => told.some((line) => line.includes(rule)));
  });
  await close();
});
