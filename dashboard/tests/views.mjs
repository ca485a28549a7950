// Everything there is to see: a daemon with something of every kind, and the way to each page, dialog and state.
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { Daemon } from './daemon.mjs';

/** A description of a server as the registry has them, with everything that an import can show. */
export function description(name) {
  return {
    name: `io.github.owner/${name}`,
    description: 'Says how the weather is, anywhere.',
    version: '1.4.0',
    packages: [
      {
        registryType: 'npm',
        identifier: `@owner-with-a-rather-long-name/${name}-model-context-protocol-server`,
        version: '1.4.0',
        transport: { type: 'stdio' },
        packageArguments: [
          {
            type: 'named',
            name: '--root',
            default: '/srv/weather',
            format: 'filepath',
            description: 'Where it keeps its files.',
          },
          { type: 'named', name: '--units', choices: ['metric', 'imperial'], isRequired: true },
        ],
        environmentVariables: [{ name: 'WEATHER_KEY', isRequired: true, isSecret: true }, { name: 'LD_PRELOAD' }],
      },
    ],
  };
}

/** A daemon with servers of every fate, credentials, users and a trail. */
export async function inhabited() {
  const daemon = await new Daemon().start();
  await daemon.faulty('steady', ['ok'], {
    display_name: 'Steady',
    resource_limits: { max_memory_mb: 256, max_cpu_percent: 50 },
    credential_fields: { required: ['api_key'], optional: ['private_key'] },
    config_template: { region: 'eu', verbose: false, tags: ['a'] },
  });
  await daemon.faulty('noisy', ['noisy', '40']);
  await daemon.faulty('crashing', ['crash-after', '150']);
  const una = await daemon.user('una', 'user');
  const absent = await daemon.user('absent', 'user');
  const nobody = await daemon.user('a-user-who-has-nothing-yet-and-a-long-name', 'user');
  const set = await daemon.ask('POST', '/v1/credentials', {
    mcp_type: 'steady',
    name: 'work',
    fields: { api_key: 'sk-0123456789abcdef' },
    expires_at: new Date(Date.now() + 3 * 86_400_000).toISOString(),
  });
  const steady = await daemon.running('steady', {
    name: 'mail archive',
    credential_id: set.id,
    config: { tags: ['b'] },
  });
  await daemon.running('everything', { name: 'reference', expiration_minutes: 8 }, una.token);
  const long = 'a server with quite a long name that has to be cut somewhere';
  const stopped = await daemon.running('noisy', { name: long });
  await daemon.ask('POST', `/v1/instances/${stopped.id}/stop`);
  const crashing = await daemon.create('crashing', { name: '<img src=x onerror=alert(1)>', restart: { intensity: 1 } });
  await daemon.reaches(crashing.id, 'disconnected');
  writeFileSync(join(daemon.dir, 'server.json'), JSON.stringify(description('weather')));
  return Object.assign(daemon, { una, absent, nobody, steady, stopped, crashing });
}

const dialog = (page) => page.getByRole('dialog').waitFor();
const press = (name) => async (page) => {
  await page.locator('main').getByRole('button', { name }).first().click();
  await dialog(page);
};

async function described(page, change) {
  const text = description('weather');
  change?.(text);
  await page.getByLabel('server.json', { exact: true }).fill(JSON.stringify(text, null, 2));
  await page.getByRole('button', { name: 'Show what would run' }).click();
}

/**
 * Each view: its name, where it is, words that are there once it is, and what is done to see it. `as` is whose it is; `first`
 * is done before the page is loaded.
 */
export function views({ una, absent, nobody, steady, stopped, crashing }) {
  const server = `/instances/${steady.id}`;
  const open = (text) => (page) => page.getByText(text).first().click();
  const fault = {
    status: 503,
    contentType: 'application/problem+json',
    json: { code: 'x', detail: 'the store is away' },
  };
  return [
    { name: 'servers', at: '/', sign: 'mail archive' },
    { name: 'servers-none', at: '/', sign: 'No servers yet', as: nobody },
    { name: 'servers-unfitting', at: '/?q=nothing', sign: 'No server fits' },
    { name: 'servers-loading', at: '/', first: (page) => page.route('**/v1/instances?*', () => {}), loading: true },
    {
      name: 'servers-error',
      at: '/',
      sign: 'The store is away',
      first: (page) => page.route('**/v1/instances?*', (route) => route.fulfill(fault)),
    },
    { name: 'new', at: '/new', sign: 'Slack MCP' },
    { name: 'new-of-type', at: '/new?type=steady', sign: 'Start the server', act: open('Limits, sleep and restarts') },
    { name: 'new-without', at: '/new?type=github', sign: 'and it needs some' },
    { name: 'server', at: server, sign: 'peak', act: (page) => page.getByText('stdout').first().waitFor() },
    {
      name: 'server-diagnosed',
      at: server,
      sign: 'peak',
      act: async (page) => {
        await page.getByRole('button', { name: 'Check now' }).click();
        await page.getByText('What to do next').waitFor();
      },
    },
    {
      name: 'server-token',
      at: server,
      sign: 'peak',
      act: async (page) => {
        await press('New token')(page);
        await page.getByRole('dialog').getByRole('button', { name: 'Make it' }).click();
        await page.getByText('Access token, shown this once').waitFor();
      },
    },
    {
      name: 'server-extend',
      at: server,
      sign: 'peak',
      act: async (page) => {
        await press('Extend lease')(page);
        await page.getByLabel('New end').selectOption({ label: 'Until a moment that you choose' });
      },
    },
    { name: 'server-stop', at: server, sign: 'peak', act: press('Stop') },
    { name: 'server-delete', at: server, sign: 'peak', act: press('Delete') },
    { name: 'server-stopped', at: `/instances/${stopped.id}`, sign: 'No measurements yet' },
    { name: 'server-disconnected', at: `/instances/${crashing.id}`, sign: 'What to do next' },
    { name: 'server-missing', at: '/instances/00000000-0000-7000-8000-000000000000', sign: 'All servers' },
    { name: 'alerts', at: '/alerts', sign: 'expire in' },
    { name: 'alerts-none', at: '/alerts', sign: 'All is well', as: nobody },
    { name: 'credentials', at: '/credentials', sign: 'ends in' },
    { name: 'credentials-none', at: '/credentials', sign: 'No credentials yet', as: nobody },
    { name: 'credentials-choose', at: '/credentials', sign: 'ends in', act: press('Add credentials') },
    { name: 'credentials-replace', at: '/credentials', sign: 'ends in', act: press('Replace work') },
    {
      name: 'credentials-delete',
      at: '/credentials',
      sign: 'ends in',
      act: async (page) => {
        await press('Delete work')(page);
        await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
        await page.getByRole('dialog').getByRole('alert').waitFor();
      },
    },
    { name: 'types', at: '/types', sign: 'Slack MCP', act: open('What it can do and needs') },
    {
      name: 'types-error',
      at: '/types',
      sign: 'Try again',
      first: (page) => page.route('**/v1/types?*', (route) => route.abort()),
    },
    {
      name: 'types-add',
      at: '/types',
      sign: 'Slack MCP',
      act: async (page) => {
        await press('Add type')(page);
        await page.getByLabel('Definition').fill('{');
        await page.getByRole('button', { name: 'Register' }).click();
        await page.getByRole('alert').waitFor();
      },
    },
    { name: 'types-remove', at: '/types', sign: 'Slack MCP', act: press(/^Remove /) },
    { name: 'import', at: '/types/import', sign: 'Show what would run' },
    {
      name: 'import-registry',
      at: '/types/import',
      sign: 'Show what would run',
      act: open('Its name in the registry'),
    },
    {
      name: 'import-refused',
      at: '/types/import',
      sign: 'Show what would run',
      act: async (page) => {
        await described(page, (text) => (text.packages[0].registryType = 'oci'));
        await page.getByRole('alert').waitFor();
      },
    },
    {
      name: 'import-review',
      at: '/types/import',
      sign: 'Show what would run',
      act: async (page) => {
        await described(page);
        await page.getByText('Approve and store').waitFor();
      },
    },
    { name: 'actors', at: '/actors', sign: 'sampler' },
    { name: 'users', at: '/users', sign: 'una' },
    { name: 'users-add', at: '/users', sign: 'una', act: press('Add user') },
    { name: 'user', at: `/users/${una.id}`, sign: 'Role and limits' },
    { name: 'user-delete', at: `/users/${una.id}`, sign: 'Role and limits', act: press('Delete user') },
    { name: 'account', at: '/account', sign: 'API tokens' },
    { name: 'account-token', at: '/account', sign: 'API tokens', act: press('New API token') },
    {
      name: 'account-made',
      at: '/account',
      sign: 'API tokens',
      as: nobody,
      act: async (page) => {
        await press('New API token')(page);
        await page.getByRole('dialog').getByLabel('Name').fill('laptop');
        await page.getByRole('dialog').getByRole('button', { name: 'Make it' }).click();
        await page.getByRole('button', { name: 'I have it' }).waitFor();
      },
    },
    { name: 'audit', at: '/audit', sign: 'The trail is whole.' },
    {
      name: 'audit-broken',
      at: '/audit',
      sign: 'The trail is broken',
      first: (page) =>
        page.route('**/v1/audit?*', async (route) => {
          const response = await route.fetch();
          const body = await response.json();
          const problem = {
            kind: 'changed',
            seq: 4,
            to_seq: 4,
            file: 'audit-0000000000000001.jsonl',
            line: 4,
            detail: 'the record is not what was written',
          };
          body.chain = {
            ...body.chain,
            verified: false,
            problems: [problem, { ...problem, kind: 'cut_off', to_seq: 9, line: null }],
            more_problems: 2,
          };
          await route.fulfill({ response, json: { ...body, writable: false } });
        }),
    },
    { name: 'audit-none', at: `/audit?user=${absent.id}`, sign: 'No record fits' },
    {
      name: 'audit-error',
      at: '/audit',
      sign: 'Try again',
      first: (page) => page.route('**/v1/audit?*', (route) => route.fulfill(fault)),
    },
    { name: 'nothing', at: '/nowhere', sign: 'The address leads nowhere' },
  ];
}
