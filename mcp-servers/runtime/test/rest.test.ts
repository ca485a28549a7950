import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import test, { type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import * as z from 'zod';
import { Failure } from '../src/failure.ts';
import { path, read, retryAfter, send, type RestRequest } from '../src/rest.ts';
import { listen } from './stand-in.ts';

const VENDOR = { name: 'Weather', userAgent: 'test/1', maxBytes: 1024 * 1024, narrower: 'ask for fewer days' };
const call = (config = {}) => ({ config, signal: new AbortController().signal });

/** A vendor that answers as it is told, and what it was asked. */
async function vendor(t: TestContext, answer: (response: ServerResponse, count: number) => void) {
  const asked: { method?: string; url?: string; headers: Record<string, unknown>; body: string }[] = [];
  const { url, server } = await listen(t, async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    asked.push({ method: request.method, url: request.url, headers: request.headers, body });
    answer(response, asked.length);
  });
  const ask = (request: Partial<RestRequest> = {}, config = {}) => send(VENDOR, { url, ...request }, call(config));
  return { asked, ask, url, server };
}

const failure = (kind: string, message: RegExp) => (error: unknown) =>
  error instanceof Failure && error.kind === kind && message.test(error.message);

test('a request carries its query, headers and body as they were given', async (t) => {
  const { asked, ask, url } = await vendor(t, (response) => response.end('{}'));
  await ask({ url: `${url}${path`/days/${'a/b c'}`}`, query: { q: 'ü&x', many: ['1', '2'], none: undefined, on: true } });
  assert.equal(asked[0]!.url, '/days/a%2Fb%20c?q=%C3%BC%26x&many=1&many=2&on=true');
  assert.equal(asked[0]!.headers['user-agent'], 'test/1');
  assert.equal(asked[0]!.headers['content-type'], undefined);
  await ask({ method: 'POST', json: { name: 'ü' }, headers: { 'x-key': 'k' } });
  assert.deepEqual([asked[1]!.method, asked[1]!.body, asked[1]!.headers['x-key']], ['POST', '{"name":"ü"}', 'k']);
  assert.equal(asked[1]!.headers['content-type'], 'application/json');
  await ask({ method: 'POST', form: { a: '1 &' } });
  assert.deepEqual([asked[2]!.body, asked[2]!.headers['content-type']], ['a=1+%26', 'application/x-www-form-urlencoded']);
  await ask({ method: 'DELETE' });
  await ask({ method: 'POST', bytes: Buffer.from('raw') });
  assert.deepEqual([asked[4]!.body, asked[4]!.headers['content-type']], ['raw', 'application/octet-stream']);
  assert.equal(asked[3]!.headers['content-length'], '0');
});

test('an id cannot leave its place in the path', () => {
  for (const id of ['', '.', '..']) assert.throws(() => path`/days/${id}/hours`, failure('invalid', /dots/));
  assert.equal(path`/days/${'../me?x'}/hours`, '/days/..%2Fme%3Fx/hours');
});

test('an answer of any status is handed on, redirects too, plain or compressed', async (t) => {
  const { ask } = await vendor(t, (response, count) => {
    if (count === 1) return response.writeHead(302, { location: 'http://127.0.0.1:1' }).end('moved');
    return response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{"day":"ü"}'));
  });
  const moved = await ask();
  assert.deepEqual([moved.status, moved.text, moved.bytes], [302, 'moved', Buffer.from('moved')]);
  assert.deepEqual(read(VENDOR, await ask(), z.object({ day: z.string() })), { day: 'ü' });
});

test('an answer that grows past the limit is cut off, compressed or not', async (t) => {
  const large = Buffer.alloc(2 * 1024 * 1024, ' ');
  const { ask } = await vendor(t, (response, count) => {
    if (count === 1) return response.end(large);
    return response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(large));
  });
  const tooLarge = failure('invalid', /^Weather's answer is larger than 1 MiB: ask for fewer days$/);
  await assert.rejects(ask(), tooLarge);
  await assert.rejects(ask(), tooLarge);
});

test('an answer that breaks off is an error, compressed or not', async (t) => {
  const { ask } = await vendor(t, (response, count) => {
    response.writeHead(200, count === 1 ? { 'content-length': '1000' } : { 'content-encoding': 'gzip' });
    response.write(count === 1 ? '{' : gzipSync('{"day":"today"}').subarray(0, 20), () => response.destroy());
  });
  await assert.rejects(ask(), failure('unavailable', /^Weather cannot be reached: /));
  await assert.rejects(ask(), failure('unavailable', /^Weather cannot be reached: /));
});

test('a connection that was closed while idle is opened again, for questions only', async (t) => {
  const seen = new WeakSet();
  const { ask } = await vendor(t, (response) => {
    if (seen.has(response.socket!)) return response.socket!.resetAndDestroy();
    seen.add(response.socket!);
    return response.end('{}');
  });
  await ask();
  assert.equal((await ask()).status, 200);
  await assert.rejects(ask({ method: 'POST' }), failure('unavailable', /ECONNRESET/));
});

test('waiting ends after the configured time, or when the caller leaves', async (t) => {
  const { ask, url } = await vendor(t, () => {});
  await assert.rejects(ask({}, { timeout_ms: 100 }), failure('unavailable', /^Weather did not answer within 0.1 seconds$/));
  const leaving = new AbortController();
  const waiting = send(VENDOR, { url }, { config: {}, signal: leaving.signal });
  leaving.abort();
  await assert.rejects(waiting, failure('unavailable', /^The call was cancelled$/));
});

test('what is not JSON, or not in the shape, is malformed, and the place is named', () => {
  const answer = (text: string) => ({ status: 200, headers: {}, text });
  const schema = z.object({ days: z.array(z.object({ name: z.string() })) });
  const malformed = (where: RegExp) => failure('malformed', where);
  assert.throws(() => read(VENDOR, answer('<html>'), schema), malformed(/not in its API \(at the whole\)/));
  assert.throws(() => read(VENDOR, answer('{"days":[{"name":1}]}'), schema), malformed(/\(at days\.0\.name\)/));
});

test('Retry-After is read as seconds or as a date', () => {
  assert.equal(retryAfter({}), undefined);
  assert.equal(retryAfter({ 'retry-after': '37' }), 37);
  assert.equal(retryAfter({ 'retry-after': 'soon' }), undefined);
  const seconds = retryAfter({ 'retry-after': new Date(Date.now() + 90_000).toUTCString() })!;
  assert.ok(seconds > 80 && seconds <= 90, String(seconds));
  assert.equal(retryAfter({ 'retry-after': new Date(0).toUTCString() }), 1);
});
