import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { Redactor } from '../src/redaction.ts';
import { connect, logLines, start } from './support.ts';

test('every request is logged with who asked, what and how it went', async (t) => {
  const server = await start(t, './fixture.cjs', { CREDENTIALS: '{"api_key":"canary-0123456789"}' });
  await (await fetch(`${server.url}/health?secret=1`, { headers: { 'user-agent': 'probe/1' } })).text();
  await (await fetch(`${server.url}/nothing`)).text();
  await server.stop();
  const [health, missing] = (await logLines(server.logDir, 'app.log')).filter((line) => line['message'] === 'request');
  assert.equal(typeof health!['durationMs'], 'number');
  assert.ok(Date.parse(String(health!['timestamp'])) > 0);
  const { method, path, ip, userAgent, status, level } = health!;
  assert.deepEqual(
    { method, path, ip, userAgent, status, level },
    { method: 'GET', path: '/health', ip: '127.0.0.1', userAgent: 'probe/1', status: 200, level: 'info' },
  );
  assert.equal(missing!['status'], 404);
});

test('the log level decides what is written', async (t) => {
  const server = await start(t, './fixture.cjs', { CREDENTIALS: '{"api_key":"canary-0123456789"}', LOG_LEVEL: 'error' });
  await (await fetch(`${server.url}/health`)).text();
  await server.stop();
  assert.deepEqual(await logLines(server.logDir, 'app.log'), []);
});

for (const env of [{ LOG_LEVEL: 'debug' }, { DEBUG: 'mcp:*' }] as Record<string, string>[]) {
  const [variable] = Object.keys(env);
  test(`${variable} shows sessions and calls, with the names of the arguments but not their values`, async (t) => {
    const server = await start(t, './fixture.cjs', { CREDENTIALS: '{"api_key":"canary-0123456789"}', ...env });
    const client = await connect(t, server.url, 'legacy');
    await client.callTool({ name: 'echo', arguments: { text: 'private words' } });
    assert.equal(await server.stop(), 0);
    const content = await readFile(join(server.logDir, 'app.log'), 'utf8');
    assert.match(content, /"message":"session opened"/);
    const call = (await logLines(server.logDir, 'app.log')).find((line) => line['message'] === 'tool called')!;
    assert.deepEqual([call['tool'], call['arguments'], call['isError']], ['echo', ['text'], false]);
    assert.doesNotMatch(content, /private words/);
    // Only DEBUG, as other programs know it, means stderr too.
    assert.equal(/tool called/.test(server.output.stderr), variable === 'DEBUG');
  });
}

test('no credential reaches a log, in whatever form', async (t) => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const key = 'canary/+ä-0123456789';
  const server = await start(t, './fixture.cjs', { CREDENTIALS: JSON.stringify({ api_key: key, private_key: pem }) });
  const client = await connect(t, server.url, 'modern');
  await client.callTool({ name: 'spill', arguments: {} });
  await fetch(`${server.url}/${encodeURIComponent(key)}`, { headers: { 'user-agent': encodeURIComponent(key) } });
  await server.stop();
  for (const name of ['app.log', 'error.log']) {
    const content = await readFile(join(server.logDir, name), 'utf8');
    assert.match(content, /plain \[redacted\]/);
    assert.doesNotMatch(content, /canary/);
    assert.doesNotMatch(content, /issued-later|another-token/);
    assert.ok(!content.includes(pem.split('\n')[1]!));
    const base64 = Buffer.from(`x-access-token:${key}`).toString('base64');
    assert.ok(!content.includes(base64.slice(-16, -4)));
  }
});

test('secrets are masked wherever they start inside base64', () => {
  const redactor = new Redactor(['canary-0123456789']);
  for (const before of ['', 'a', 'ab', 'abc']) {
    for (const encoding of ['base64', 'base64url'] as const) {
      const encoded = Buffer.from(`${before}canary-0123456789${before}`).toString(encoding);
      const masked = Buffer.from(redactor.text(encoded).replace('[redacted]', ''), encoding).toString();
      assert.match(redactor.text(encoded), /\[redacted\]/);
      assert.doesNotMatch(masked, /anary|234567/);
    }
  }
});

test('ordinary words stay readable', () => {
  const redactor = new Redactor(['abc', '']);
  for (const words of ['abc', 'the token authentication-is-required failed', 'basic understanding']) {
    assert.equal(redactor.text(words), words);
  }
});

test('only the latest issued tokens are remembered', () => {
  const redactor = new Redactor();
  for (let i = 0; i < 9; i += 1) redactor.issued(`issued-token-number-${i}`);
  assert.equal(redactor.text('issued-token-number-0'), 'issued-token-number-0');
  assert.equal(redactor.text('issued-token-number-8'), '[redacted]');
});
