// A type from the registry's description of a server: read, looked at, approved; and nothing lost on the way.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fits, launch, open, PHONE } from './browser.mjs';
import { Daemon } from './daemon.mjs';

let daemon;
let browser;

before(async () => {
  daemon = await new Daemon().start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await daemon?.close();
});

function description(name = 'weather') {
  return {
    $schema: 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json',
    name: `io.github.owner/${name}`,
    description: 'Weather <b>everywhere</b>.',
    version: '1.4.0',
    packages: [
      {
        registryType: 'npm',
        identifier: `@owner/${name}`,
        version: '1.4.0',
        transport: { type: 'stdio' },
        packageArguments: [
          { type: 'named', name: '--root', default: '/srv', format: 'filepath' },
          {
            type: 'named',
            name: '--units',
            choices: ['metric', 'imperial'],
            isRequired: true,
            description: 'Of what is told.',
          },
          { type: 'positional', value: 'a b;c' },
        ],
        environmentVariables: [{ name: 'WEATHER_KEY', isRequired: true, isSecret: true }],
      },
    ],
  };
}

const field = (page) => page.getByLabel('server.json', { exact: true });
const look = (page) => page.getByRole('button', { name: 'Show what would run' });
const approve = (page) => page.getByRole('button', { name: 'Approve and store' });
const stored = async (name) => {
  try {
    return await daemon.ask('GET', `/v1/types/${name}`);
  } catch {
    return null;
  }
};

test('a pasted description is shown as the exact command before anything is stored, and stored on approval', async () => {
  const { page, close } = await open(browser, daemon, { at: '/types' });
  await page.getByRole('link', { name: 'Import', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: 'Import a type' }).waitFor();

  await look(page).click();
  await page.getByRole('alert').getByText('Paste a server.json, or choose a file.').waitFor();
  await field(page).fill('{ "name": ');
  await look(page).click();
  await page.getByRole('alert').getByText('This is no JSON').waitFor();
  assert.equal(await field(page).inputValue(), '{ "name": ', 'what was given is still there');
  const container = description();
  container.packages[0].registryType = 'oci';
  await field(page).fill(JSON.stringify(container, null, 2));
  await look(page).click();
  await page.getByRole('alert').getByText('containers are not run').waitFor();
  assert.equal(await field(page).inputValue(), JSON.stringify(container, null, 2));
  await field(page).fill(JSON.stringify({ name: 7 }));
  await look(page).click();
  await page.getByRole('alert').getByText('/server').first().waitFor();

  await field(page).fill(JSON.stringify(description()));
  await look(page).click();
  const command = page.getByLabel('Command', { exact: true });
  await command.waitFor();
  assert.equal(
    await command.textContent(),
    "node @owner/weather@1.4.0 --root={config.root} --units={config.units} 'a b;c'",
  );
  const shown = page.locator('main');
  await shown.getByText('(the credential weather_key)').waitFor();
  await shown.getByText('Path outside: /srv').waitFor();
  await shown.getByText('Weather <b>everywhere</b>.').waitFor();
  await shown.getByText('string, required, one of metric, imperial').waitFor();
  assert.equal(await page.getByRole('alert').count(), 0);
  assert.equal(await stored('weather'), null, 'nothing is stored before it is approved');

  await page.getByRole('button', { name: 'Back' }).click();
  assert.equal(await field(page).inputValue(), JSON.stringify(description()));
  await look(page).click();
  await approve(page).click();
  await page.getByText('The type weather is imported.').waitFor();
  const card = page.getByRole('listitem').filter({ hasText: '@owner/weather' });
  await card.getByText('What it can do and needs').click();
  await card.getByText('npm @owner/weather@1.4.0').waitFor();
  await card.getByText('It is installed when a server first needs it.').waitFor();
  assert.equal((await stored('weather')).source.name, 'io.github.owner/weather');

  // The settings that the description declares are fields of their kinds.
  await card.getByRole('link', { name: 'New server' }).click();
  await page.getByLabel('Units').selectOption('imperial');
  await page.getByText('Of what is told.').waitFor();
  await close();
});

test('a name that is taken is said to be, and another one can be given without beginning again', async () => {
  const text = JSON.stringify(description('tides'));
  await daemon.ask('POST', '/v1/types/import', { server: description('tides'), approve: true });
  const { page, close } = await open(browser, daemon, { at: '/types/import' });
  await field(page).fill(text);
  await look(page).click();
  await approve(page).click();
  await page.getByRole('alert').getByText('Go back and give it another name.').waitFor();
  await page.getByRole('button', { name: 'Back' }).click();
  assert.equal(await field(page).inputValue(), text);
  await page.getByLabel('Name of the type').fill('tides-of-ours');
  await look(page).click();
  await approve(page).click();
  await page.getByText('The type tides-of-ours is imported.').waitFor();
  assert.notEqual(await stored('tides-of-ours'), null);
  await close();
});

test('a file is read as if it were pasted, and one that is no server.json loses nothing', async () => {
  const file = join(daemon.dir, 'server.json');
  writeFileSync(file, JSON.stringify(description('snow')));
  const long = join(daemon.dir, 'long.json');
  writeFileSync(long, ' '.repeat(300_000));
  const { page, close } = await open(browser, daemon, { at: '/types/import' });
  const input = page.getByLabel('File optional');
  await input.setInputFiles(file);
  await page.waitForFunction(() => document.querySelector('textarea').value.includes('@owner/snow'));
  await input.setInputFiles(long);
  assert.ok((await field(page).inputValue()).includes('@owner/snow'));
  assert.match(await input.evaluate((element) => element.validationMessage), /too long/);
  await input.setInputFiles(file);
  await look(page).click();
  await page.getByText('node @owner/snow@1.4.0').waitFor();
  await close();
});

test('a name is looked up in the registry of the daemon, which says if there is none', async () => {
  const { page, close } = await open(browser, daemon, { at: '/types/import' });
  await page.getByRole('button', { name: 'Its name in the registry' }).click();
  await page.getByLabel('Server', { exact: true }).fill('io.github.owner/weather');
  await look(page).click();
  await page.getByRole('alert').getByText('No registry is configured').waitFor();
  assert.equal(await page.getByLabel('Server', { exact: true }).inputValue(), 'io.github.owner/weather');
  await close();
});

test('the whole way is gone by keyboard, on a phone, too', async () => {
  const { page, close } = await open(browser, daemon, { viewport: PHONE, colours: 'dark', at: '/types/import' });
  await field(page).focus();
  await page.keyboard.insertText(JSON.stringify(description('wind')));
  const onto = async (name) => {
    for (let step = 0; step < 12; step += 1) {
      if (await page.evaluate((text) => document.activeElement.textContent === text, name)) return;
      await page.keyboard.press('Tab');
    }
    assert.fail(`the keyboard does not reach ${name}`);
  };
  await onto('Show what would run');
  await page.keyboard.press('Enter');
  await page.getByLabel('Command', { exact: true }).waitFor();
  assert.ok(
    await page.evaluate(() => document.activeElement.getAttribute('aria-label') === 'Look at it'),
    'what is shown is where the keyboard goes on',
  );
  await fits(page, 'what is to be approved');
  await onto('Approve and store');
  await page.keyboard.press('Enter');
  await page.getByText('The type wind is imported.').waitFor();
  await close();
});

test('only administrators import', async () => {
  const una = await daemon.user('una', 'user');
  const { page, close } = await open(browser, daemon, { token: una.token, at: '/types' });
  await page.getByRole('heading', { name: 'Slack MCP' }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'Import', exact: true }).count(), 0);
  await page.goto('/#/types/import');
  await page.getByRole('heading', { level: 1, name: 'Nothing here' }).waitFor();
  await close();
});
