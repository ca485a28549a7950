import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import test, { type TestContext } from 'node:test';
import { connect, start, text } from '../../runtime/test/support.ts';
import { reply, standIn } from './stand-in.ts';

const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' }) as string;
const TOKENS = ['ghs_installation1', 'ghs_installation2'];

async function app(t: TestContext, config = '{}', private_key = key) {
  const api = await standIn(t, TOKENS, key);
  const CREDENTIALS = JSON.stringify({ app_id: '4242', private_key });
  const server = await start(t, '../github.cjs', { CREDENTIALS, GITHUB_API_URL: api.url, CONFIG: config });
  const client = await connect(t, server.url, 'modern');
  return { api, server, call: (name: string, args: Record<string, unknown>) => client.callTool({ name, arguments: args }) };
}

const issue = (owner: string) => ({ owner, repo: 'repo', title: 'Bug' });

test('an app speaks as the installation of the owner, with a token that is asked for once', async (t) => {
  const { api, call } = await app(t);
  assert.equal((await call('create_issue', issue('octo'))).isError, undefined);
  assert.equal(api.asked.at(-1)!.by, 'ghs_installation1');
  await call('create_issue', issue('OTHER'));
  assert.equal(api.asked.at(-1)!.by, 'ghs_installation2');
  await call('create_issue', issue('octo'));
  assert.equal(api.asked.filter(({ id }) => id === 'installation_token').length, 2);
});

test('where the owner does not decide, the settings do', async (t) => {
  const unclear = await app(t);
  const refused = await unclear.call('list_repos', {});
  assert.equal(refused.isError, true);
  assert.match(text(refused), /several installations: octo \(1\), Other \(2\)\. Set installation_id in CONFIG/);
  const { api, call } = await app(t, '{"installation_id":2}');
  const listed = await call('list_repos', { visibility: 'private' });
  assert.deepEqual((listed.structuredContent as any).repositories.map((one: any) => one.full_name), ['octo/repo-2']);
  assert.equal(api.asked.at(-1)!.by, 'ghs_installation2');
  assert.equal(api.asked.at(-1)!.id, 'installation_repos');
});

test('an app that is installed nowhere says so', async (t) => {
  const { api, call } = await app(t);
  api.fault = ({ id }, response) => id === 'installations' && (reply(response, 200, []), true);
  assert.match(text(await call('create_issue', issue('octo'))), /not installed anywhere/);
});

test('a key that is not the app’s is refused, and the instance is unhealthy', async (t) => {
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const { call, server } = await app(t, '{}', stranger.replaceAll('\n', '\\n'));
  assert.match(text(await call('create_issue', issue('octo'))), /refused the credentials/);
  assert.equal((await fetch(`${server.url}/health`)).status, 503);
});

test('the background check speaks as the app', async (t) => {
  const { api, server } = await app(t);
  const checked = new Promise<string>((resolve) => {
    api.fault = ({ id }) => void resolve(id);
  });
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
  assert.equal(await checked, 'app');
});
