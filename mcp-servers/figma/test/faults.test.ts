import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { testVendorInTrouble } from '../../runtime/test/rest-faults.ts';
import { ended } from '../../runtime/test/support.ts';
import { FILE } from './answers.ts';
import credentials from './credentials.json' with { type: 'json' };
import { reply } from './stand-in.ts';
import { figma } from './support.ts';

const CALLS: [string, Record<string, unknown>][] = [
  ['list_files', { folder_id: '801' }],
  ['read_file', { file: FILE }],
  ['export_assets', { file: FILE, node_ids: ['1:1'] }],
  ['get_comments', { file: FILE }],
  ['post_comment', { file: FILE, message: 'Hello' }],
];

testVendorInTrouble({
  vendor: 'Figma',
  calls: CALLS,
  open: (t, config, url) => figma(t, { config, env: url === undefined ? {} : { FIGMA_API_URL: url } }),
});

test('a refused token makes the instance unhealthy, and is never shown', async (t) => {
  const { server, failing } = await figma(t, { token: 'another' });
  for (const [name, args] of CALLS) assert.equal(await failing(name, args), 'Figma refused the credentials: Invalid token');
  const health = await fetch(`${server.url}/health`);
  assert.equal(health.status, 503);
  assert.equal(((await health.json()) as any).reason, 'Figma refused the credentials: Invalid token');
  await server.stop();
  assert.doesNotMatch(await readFile(join(server.logDir, 'app.log'), 'utf8'), /canary/);
});

test('every tool tells limits, missing scopes and missing files apart', async (t) => {
  const { api, failing, server } = await figma(t);
  for (const [name, args] of CALLS) {
    const answered = (status: number, err: string, headers: Record<string, string> = {}) => {
      api.fault = (_asked, response) => (reply(response, status, { status, err }, headers), true);
      return failing(name, args);
    };
    const limited = await answered(429, 'Rate limit exceeded', { 'retry-after': '37', 'x-figma-rate-limit-type': 'low' });
    assert.match(limited, /limits .*\(the low limits of a View or Collab seat\): Rate limit exceeded\. Try again in 37 seconds\.$/);
    assert.match(await answered(429, 'Slow down'), /Try again in 60 seconds\.$/);
    const scope = 'Invalid scope(s): current_user:read. This endpoint requires another scope of the token';
    assert.match(await answered(403, scope), /does not allow this with these credentials: Invalid scope/);
    assert.match(await answered(403, 'Not allowed'), /does not allow this .*: Not allowed$/);
    assert.match(await answered(404, 'Not found'), /does not have this, or hides it .*: Not found$/);
    assert.match(await answered(400, 'Request too large'), /did not accept this \(400\): Request too large$/);
    assert.match(await answered(500, 'Render timed out'), /^Figma failed \(500\): Render timed out$/);
    assert.match(await answered(400, `bad ${credentials.api_key}`), /^Figma did not accept this \(400\): bad \[redacted\]$/);
  }
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
});

test('a token that expired is refused, like one that never was', async (t) => {
  const { api, failing, server } = await figma(t);
  api.fault = (_asked, response) => (reply(response, 403, { status: 403, err: 'Token expired' }), true);
  assert.equal(await failing('read_file', { file: FILE }), 'Figma refused the credentials: Token expired');
  assert.equal((await fetch(`${server.url}/health`)).status, 503);
});

test('files, folders and nodes that do not exist are named as such', async (t) => {
  const { failing } = await figma(t);
  assert.match(await failing('list_files', { folder_id: '1' }), /does not have this/);
  assert.match(await failing('list_files', { team_id: '1' }), /does not have this/);
  for (const name of ['read_file', 'get_comments']) assert.match(await failing(name, { file: 'Gone' }), /does not have this/);
  assert.match(await failing('export_assets', { file: 'Gone', node_ids: ['1:1'] }), /does not have this/);
});

test('the address of Figma comes from the environment, never from the settings of a user', async (t) => {
  const nowhere = 'http://127.0.0.1:1';
  const { call } = await figma(t, { config: { FIGMA_API_URL: nowhere, vendorUrl: nowhere } });
  assert.equal((await call('list_files', { folder_id: '801' })).name, 'Folder 1');
});

for (const unusable of ['{}', '{"api_key":""}', '{"api_key":"canary a"}', '{"api_key":"canary\\r\\nx"}', '{"api_key":7}', '{"token":"canary"}']) {
  test(`credentials that cannot be used: ${unusable}`, async () => {
    const { code, stderr } = await ended('../figma.cjs', { PORT: '0', CREDENTIALS: unusable });
    assert.equal(code, 78);
    assert.match(stderr, /^figma: CREDENTIALS\.api_key: /);
    assert.doesNotMatch(stderr, /canary/);
  });
}
