import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import test, { type TestContext } from 'node:test';
import { ended, start } from './support.ts';

const CREDENTIALS = '{"api_key":"canary-0123456789"}';

/** A listening socket of this process, which a child may be given. */
async function socket(t: TestContext) {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  return { fd: (server as unknown as { _handle: { fd: number } })._handle.fd, url: `http://127.0.0.1:${port}` };
}

test('a socket that was handed over is served, whatever PORT says', async (t) => {
  const { fd, url } = await socket(t);
  const server = await start(t, './fixture.cjs', { CREDENTIALS, PORT: '1', LISTEN_FDS: '1' }, { handed: fd });
  assert.equal(server.url, url);
  assert.equal((await fetch(`${url}/health`)).status, 200);
  assert.equal(await server.stop(), 0);
});

test('sockets that were handed to another process are not touched', async (t) => {
  const { fd, url } = await socket(t);
  const env = { CREDENTIALS, LISTEN_FDS: '1', LISTEN_PID: '1' };
  const server = await start(t, './fixture.cjs', env, { handed: fd });
  assert.notEqual(server.url, url);
});

test('more than one socket is refused with exit code 78', async () => {
  const env = { CREDENTIALS, PORT: '0', LISTEN_FDS: '2' };
  const { code, stderr } = await ended('./fixture.cjs', env, { handed: 'ignore' });
  assert.equal(code, 78);
  assert.match(stderr, /LISTEN_FDS is not 1/);
});

test('a descriptor that is no socket ends the process with code 1', async () => {
  const env = { CREDENTIALS, LISTEN_FDS: '1' };
  const { code, stderr } = await ended('./fixture.cjs', env, { handed: 'ignore' });
  assert.equal(code, 1);
  assert.match(stderr, /^fixture: E[A-Z]+\n$/);
});
