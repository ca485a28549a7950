import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { connect, ended, start, text } from '../../runtime/test/support.ts';
import { FILE } from './answers.ts';
import credentials from './credentials.json' with { type: 'json' };
import { reply, standIn } from './stand-in.ts';

const CALLS: [string, Record<string, unknown>][] = [
  ['list_files', { folder_id: '801' }],
  ['read_file', { file: FILE }],
  ['export_assets', { file: FILE, node_ids: ['1:1'] }],
  ['get_comments', { file: FILE }],
  ['post_comment', { file: FILE, message: 'Hello' }],
];

async function figma(t: TestContext, env: Record<string, string>) {
  const server = await start(t, '../figma.cjs', { CREDENTIALS: JSON.stringify(credentials), ...env });
  const client = await connect(t, server.url, 'modern');
  const failing = async (name: string, args: Record<string, unknown>) => {
    const result = await client.callTool({ name, arguments: args });
    assert.equal(result.isError, true, text(result));
    return text(result);
  };
  return { server, client, failing };
}

for (const [name, args] of CALLS) {
  test(`${name}: a refused token makes the instance unhealthy, and is never shown`, async (t) => {
    const api = await standIn(t, 'another');
    const { server, failing } = await figma(t, { FIGMA_API_URL: api.url });
    assert.equal(await failing(name, args), 'Figma refused the credentials: Invalid token');
    const health = await fetch(`${server.url}/health`);
    assert.equal(health.status, 503);
    assert.equal(((await health.json()) as any).reason, 'Figma refused the credentials: Invalid token');
    await server.stop();
    assert.doesNotMatch(await readFile(join(server.logDir, 'app.log'), 'utf8'), /canary/);
  });

  test(`${name}: limits, missing scopes and missing files are told apart`, async (t) => {
    const api = await standIn(t, credentials.api_key);
    const { failing, server } = await figma(t, { FIGMA_API_URL: api.url });
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
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
    assert.match(await answered(403, 'Token expired'), /refused the credentials: Token expired/);
    assert.equal((await fetch(`${server.url}/health`)).status, 503);
  });

  test(`${name}: an answer that is not in the API is called that`, async (t) => {
    const api = await standIn(t, credentials.api_key);
    const { failing } = await figma(t, { FIGMA_API_URL: api.url });
    for (const body of ['<html>login</html>', '{"truncated":', '{}', 'null', '[]', '']) {
      api.fault = (_asked, response) => (response.writeHead(200).end(body), true);
      assert.match(await failing(name, args), /^Figma answered something that is not in its API \(at /, body);
    }
    api.fault = (_asked, response) => (response.writeHead(302, { location: 'https://example.com' }).end(), true);
    assert.equal(await failing(name, args), 'Figma did not accept this (302): no explanation');
    api.fault = (_asked, response) => (response.writeHead(502, { 'content-type': 'text/html' }).end('<html>'), true);
    assert.equal(await failing(name, args), 'Figma failed (502): no explanation');
    api.fault = (_asked, response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('{', () => response.destroy());
      return true;
    };
    assert.match(await failing(name, args), /^Figma cannot be reached: /);
  });

  test(`${name}: a Figma that does not answer is given up after the configured time`, async (t) => {
    const api = await standIn(t, credentials.api_key);
    api.fault = () => true;
    const { failing } = await figma(t, { FIGMA_API_URL: api.url, CONFIG: '{"timeout_ms":200}' });
    assert.equal(await failing(name, args), 'Figma did not answer within 0.2 seconds');
  });

  test(`${name}: a Figma that is down is unavailable, not the token's fault`, async (t) => {
    const gone = createServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const url = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`;
    gone.close();
    await once(gone, 'close');
    const { failing, server } = await figma(t, { FIGMA_API_URL: url });
    assert.equal(await failing(name, args), 'Figma cannot be reached: ECONNREFUSED');
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
  });
}

test('files, folders and nodes that do not exist are named as such', async (t) => {
  const api = await standIn(t, credentials.api_key);
  const { failing } = await figma(t, { FIGMA_API_URL: api.url });
  assert.match(await failing('list_files', { folder_id: '1' }), /does not have this/);
  assert.match(await failing('list_files', { team_id: '1' }), /does not have this/);
  for (const name of ['read_file', 'get_comments']) assert.match(await failing(name, { file: 'Gone' }), /does not have this/);
  assert.match(await failing('export_assets', { file: 'Gone', node_ids: ['1:1'] }), /does not have this/);
});

test('the address of Figma comes from the environment, never from the settings of a user', async (t) => {
  const api = await standIn(t, credentials.api_key);
  const CONFIG = '{"FIGMA_API_URL":"http://127.0.0.1:1","vendorUrl":"http://127.0.0.1:1"}';
  const { client } = await figma(t, { FIGMA_API_URL: `${api.url}/`, CONFIG });
  assert.equal((await client.callTool({ name: 'list_files', arguments: { folder_id: '801' } })).isError, undefined);
});

for (const unusable of ['{}', '{"api_key":""}', '{"api_key":"canary a"}', '{"api_key":"canary\\r\\nx"}', '{"api_key":7}', '{"token":"canary"}']) {
  test(`credentials that cannot be used: ${unusable}`, async () => {
    const { code, stderr } = await ended('../figma.cjs', { PORT: '0', CREDENTIALS: unusable });
    assert.equal(code, 78);
    assert.match(stderr, /^figma: CREDENTIALS\.api_key: /);
    assert.doesNotMatch(stderr, /canary/);
  });
}
