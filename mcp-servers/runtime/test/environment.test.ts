import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { connect, ended, start } from './support.ts';

const GOOD = { PORT: '0', CREDENTIALS: '{"api_key":"canary-0123456789"}' };

const refusals: [string, Record<string, string>, RegExp][] = [
  ['no port', { PORT: '' }, /PORT is missing/],
  ['a port that is a word', { PORT: 'http' }, /PORT is not a port number/],
  ['a port out of range', { PORT: '65536' }, /PORT is not a port number/],
  ['no credentials', { CREDENTIALS: '' }, /CREDENTIALS\.api_key: /],
  ['credentials that are not JSON', { CREDENTIALS: 'canary-0123456789' }, /CREDENTIALS is not valid JSON/],
  ['credentials that are a list', { CREDENTIALS: '["canary-0123456789"]' }, /CREDENTIALS is not a JSON object/],
  ['a credential of a wrong type', { CREDENTIALS: '{"api_key":["canary-0123456789"]}' }, /CREDENTIALS\.api_key: .*string/],
  ['a config that is not JSON', { CONFIG: '{canary-0123456789' }, /CONFIG is not valid JSON/],
  ['an unknown log level', { LOG_LEVEL: 'loud' }, /LOG_LEVEL is not one of error, warn, info, debug/],
  ['a vendor without encryption', { VENDOR_URL: 'http://vendor.invalid' }, /VENDOR_URL is neither https nor loopback http/],
  ['a vendor that is no URL', { VENDOR_URL: 'vendor' }, /VENDOR_URL is not a URL/],
  ['another address of the vendor that is not safe', { VENDOR_LOGIN_URL: 'http://login.invalid' }, /VENDOR_LOGIN_URL is neither/],
  ['a vendor with a password', { VENDOR_URL: 'https://a:canary-0123456789@b' }, /VENDOR_URL holds more than/],
];

for (const [name, change, line] of refusals) {
  test(`${name}: one line and exit code 78`, async () => {
    const { code, stdout, stderr } = await ended('./fixture.cjs', { ...GOOD, ...change });
    assert.equal(code, 78);
    assert.equal(stdout, '');
    assert.match(stderr, line);
    assert.match(stderr, /^fixture: [^\n]+\n$/);
    assert.doesNotMatch(stderr, /canary/);
  });
}

test('all problems are named at once', async () => {
  const { stderr } = await ended('./fixture.cjs', { PORT: 'x', CONFIG: '[]', CREDENTIALS: '{}', LOG_LEVEL: 'x' });
  for (const name of ['PORT', 'CONFIG', 'LOG_LEVEL', 'CREDENTIALS.api_key']) assert.match(stderr, new RegExp(name));
});

test('each address of the vendor is moved by its own variable', async (t) => {
  const addresses = async (env: Record<string, string>) => {
    const { url } = await start(t, './fixture.cjs', { ...GOOD, ...env });
    return (await (await connect(t, url, 'modern')).callTool({ name: 'addresses', arguments: {} })).structuredContent;
  };
  assert.deepEqual(await addresses({}), { api: 'https://vendor.invalid', login: 'https://login.invalid/token' });
  const VENDOR_LOGIN_URL = 'http://127.0.0.1:9/token/';
  assert.deepEqual(await addresses({ VENDOR_LOGIN_URL }), { api: 'https://vendor.invalid', login: 'http://127.0.0.1:9/token' });
});

test('a log directory that cannot be made is a problem of the environment', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'minimcp-test-'));
  t.after(() => rm(dir, { recursive: true }));
  await writeFile(join(dir, 'file'), '');
  const { code, stderr } = await ended('./fixture.cjs', { ...GOOD, LOG_DIR: join(dir, 'file', 'logs') });
  assert.equal(code, 78);
  assert.match(stderr, /LOG_DIR cannot be used/);
});

test('a port that is taken ends the process with code 1', async (t) => {
  const first = await start(t, './fixture.cjs', GOOD);
  const { code, stderr } = await ended('./fixture.cjs', { ...GOOD, PORT: new URL(first.url).port });
  assert.equal(code, 1);
  assert.match(stderr, /EADDRINUSE/);
});

test('nothing but the start line is written', async (t) => {
  const server = await start(t, './fixture.cjs', GOOD);
  await (await fetch(`${server.url}/health`)).text();
  assert.equal(await server.stop(), 0);
  assert.match(server.output.stdout, /^fixture listening on 127\.0\.0\.1:\d+\n$/);
  assert.equal(server.output.stderr, '');
});
