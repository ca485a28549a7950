import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { Failure } from '../src/failure.ts';
import { Health } from '../src/health.ts';
import { connect, listen, start } from './support.ts';

const IDENTITY = { MCP_ID: 'i-1', USER_ID: 'u-1', MCP_TYPE: 'fixture-type', MCP_NONCE: 'n-1' };
const CREDENTIALS = '{"api_key":"canary-0123456789"}';

test('health says who is there and how it is', async (t) => {
  const vendor = await listen(t, (_request, response) => response.end('fine'));
  const { url } = await start(t, './fixture.cjs', { ...IDENTITY, CREDENTIALS, VENDOR_URL: vendor.url });
  const response = await fetch(`${url}/health`);
  assert.equal(response.status, 200);
  const { timestamp, ...body } = (await response.json()) as Record<string, unknown>;
  assert.ok(Math.abs(Date.parse(timestamp as string) - Date.now()) < 60_000);
  assert.deepEqual(body, {
    status: 'healthy',
    mcpId: 'i-1',
    mcpType: 'fixture-type',
    userId: 'u-1',
    nonce: 'n-1',
    uptime: { seconds: 0, hours: 0 },
    metrics: { requests: 1, errors: 0, errorRate: 0 },
  });
});

test('credentials the vendor refuses make the instance unhealthy, and a call that succeeds clears it', async (t) => {
  let status = 401;
  const vendor = await listen(t, (_request, response) => response.writeHead(status).end('fine'));
  const { url } = await start(t, './fixture.cjs', { ...IDENTITY, CREDENTIALS, VENDOR_URL: vendor.url });
  const client = await connect(t, url, 'modern');
  assert.equal((await client.callTool({ name: 'ask', arguments: {} })).isError, true);
  const sick = await fetch(`${url}/health`);
  assert.equal(sick.status, 503);
  const body = (await sick.json()) as Record<string, unknown>;
  assert.equal(body['status'], 'unhealthy');
  assert.equal(body['nonce'], 'n-1');
  assert.equal(body['reason'], 'the vendor refused [redacted]');
  status = 200;
  await client.callTool({ name: 'ask', arguments: {} });
  assert.equal((await fetch(`${url}/health`)).status, 200);
});

test('health does not wait for the vendor, and asks it once', async (t) => {
  let asked = 0;
  const vendor = await listen(t, () => (asked += 1));
  const reached = once(vendor.server, 'request');
  const { url } = await start(t, './fixture.cjs', { CREDENTIALS, VENDOR_URL: vendor.url });
  assert.equal((await fetch(`${url}/health`)).status, 200);
  await reached;
  for (let i = 0; i < 20; i += 1) assert.equal((await fetch(`${url}/health`)).status, 200);
  assert.equal(asked, 1);
});

test('a check that refused is repeated only after a while', async () => {
  let now = 0;
  let checks = 0;
  let refuse = true;
  let settled = () => {};
  const health = new Health(
    async () => {
      checks += 1;
      setImmediate(() => settled());
      if (refuse) throw new Failure('refused', 'no');
    },
    String,
    () => now,
  );
  const refresh = () =>
    new Promise<void>((resolve) => {
      settled = resolve;
      health.refresh();
    });
  await refresh();
  assert.equal(health.refusal, 'no');
  now = 59_000;
  health.refresh();
  assert.equal(checks, 1);
  now = 60_000;
  refuse = false;
  await refresh();
  assert.equal(checks, 2);
  assert.equal(health.refusal, null);
  now = 300_000;
  health.refresh();
  assert.equal(checks, 2);
});

test('a vendor that is down says nothing about the credentials', () => {
  const health = new Health(null, String);
  health.failed(new Failure('unavailable', 'down'));
  assert.equal(health.refusal, null);
  health.failed(new Failure('refused', 'no'));
  health.failed(new Failure('unavailable', 'down'));
  assert.equal(health.refusal, 'no');
});

for (const path of ['/metrics', '/metrics.json']) test(`${path} is answered and written to metrics.json`, async (t) => {
  const server = await start(t, './fixture.cjs', { CREDENTIALS });
  const client = await connect(t, server.url, 'modern');
  await client.callTool({ name: 'echo', arguments: { text: 'a' } });
  await client.callTool({ name: 'misfit', arguments: {} });
  const metrics = (await (await fetch(`${server.url}${path}`)).json()) as Record<string, any>;
  assert.equal(metrics['tools'].echo.calls, 1);
  assert.equal(metrics['tools'].misfit.errors, 1);
  assert.equal(metrics['errors'], 1);
  assert.equal(metrics['errorRate'], 1 / metrics['requests']);
  assert.ok(metrics['memory'].rss > 0 && metrics['cpu'].user > 0 && metrics['uptime'] > 0);
  await server.stop();
  const written = JSON.parse(await readFile(join(server.logDir, 'metrics.json'), 'utf8'));
  assert.deepEqual(written, metrics);
});
