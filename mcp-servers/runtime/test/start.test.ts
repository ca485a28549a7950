import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect, ERAS, listen, logLines, start } from './support.ts';

const CREDENTIALS = '{"api_key":"canary-0123456789"}';
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The option of Node that makes the process say what V8 did with the code cache. */
async function reporting(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'minimcp-test-'));
  t.after(() => rm(dir, { recursive: true }));
  const file = join(dir, 'report.cjs');
  await writeFile(
    file,
    `const { Script } = require('node:vm');
     const run = Script.prototype.runInThisContext;
     Script.prototype.runInThisContext = function () {
       console.error('rejected: ' + this.cachedDataRejected);
       return run.call(this);
     };`,
  );
  return `--require=${file}`;
}

for (const megabytes of [96, 384, 1536]) {
  test(`the code cache is taken where the heap may have ${megabytes} MB, and the heap keeps that limit`, async (t) => {
    const flags = [await reporting(t), '--max-semi-space-size=1', `--max-old-space-size=${megabytes}`];
    const server = await start(t, './fixture.cjs', { CREDENTIALS }, { flags });
    assert.match(server.output.stderr, /^rejected: false$/m);
    const client = await connect(t, server.url, 'modern');
    const { structuredContent } = await client.callTool({ name: 'heap', arguments: {} });
    const { text } = structuredContent as { text: string };
    assert.ok(Number(text) >= megabytes && Number(text) < megabytes + 16, `${text} MB`);
  });
}

test('the code cache is taken where nothing was said about the heap', async (t) => {
  const server = await start(t, './fixture.cjs', { CREDENTIALS }, { flags: [await reporting(t)] });
  assert.match(server.output.stderr, /^rejected: false$/m);
});

test('a server starts without its code cache, and with one that is not its own', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'minimcp-test-'));
  t.after(() => rm(dir, { recursive: true }));
  await mkdir(join(dir, 'code'));
  await copyFile(here('./fixture.cjs'), join(dir, 'fixture.cjs'));
  await copyFile(here('./code/fixture.cjs'), join(dir, 'code', 'fixture.cjs'));
  const flags = [await reporting(t)];
  const without = await start(t, join(dir, 'fixture.cjs'), { CREDENTIALS }, { flags });
  assert.match(without.output.stderr, /^rejected: undefined$/m);
  await writeFile(join(dir, 'code', 'fixture.cjs.cache'), Buffer.alloc(100_000, 7));
  const foreign = await start(t, join(dir, 'fixture.cjs'), { CREDENTIALS }, { flags });
  assert.match(foreign.output.stderr, /^rejected: true$/m);
  assert.equal((await fetch(`${foreign.url}/health`)).status, 200);
});

test('neither era, nor the health, brings in the HTTP client of Node', async (t) => {
  const vendor = await listen(t, (_request, response) => response.end());
  const { url } = await start(t, './fixture.cjs', { CREDENTIALS, VENDOR_URL: vendor.url });
  assert.equal((await fetch(`${url}/health`)).status, 200);
  for (const era of ERAS) {
    const client = await connect(t, url, era);
    await client.listTools();
    const { structuredContent } = await client.callTool({ name: 'builtins', arguments: {} });
    const { modules } = structuredContent as { modules: string[] };
    assert.ok(modules.includes('NativeModule http'));
    assert.deepEqual(modules.filter((name) => name.includes('undici')), []);
  }
});

test('what was said before the log was open is in it, first and in order', async (t) => {
  const server = await start(t, './fixture.cjs', { CREDENTIALS });
  await Promise.all([1, 2, 3].map(async (n) => (await fetch(`${server.url}/health?${n}`)).text()));
  await server.stop();
  const lines = await logLines(server.logDir, 'app.log');
  assert.equal(lines[0]!['message'], 'listening');
  assert.equal(lines.filter((line) => line['message'] === 'request').length, 3);
  const times = lines.map((line) => String(line['timestamp']));
  assert.deepEqual(times, [...times].sort());
});

test('a server that is told to stop before it was asked anything has its log', async (t) => {
  const server = await start(t, './fixture.cjs', { CREDENTIALS });
  assert.equal(await server.stop(), 0);
  const messages = (await logLines(server.logDir, 'app.log')).map((line) => line['message']);
  assert.deepEqual(messages, ['listening', 'stopping', 'stopped']);
});
