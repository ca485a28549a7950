import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { testVendorInTrouble } from '../../runtime/test/rest-faults.ts';
import { gmail } from './support.ts';
import { refusal, reply } from './stand-in.ts';

const MESSAGE = '18c0000000000001';
const MAIL = { to: ['ada@example.com'], subject: 'Hello', text: 'Hello' };

/** A call of each tool, and a scope without which Gmail refuses it. */
const CALLS: [tool: string, args: Record<string, unknown>, scope: string][] = [
  ['list_messages', {}, 'gmail.readonly'],
  ['search_messages', { query: 'x' }, 'gmail.readonly'],
  ['read_message', { message_id: MESSAGE }, 'gmail.readonly'],
  ['get_attachment', { message_id: MESSAGE, part_id: '1' }, 'gmail.readonly'],
  ['send_message', MAIL, 'gmail.send'],
  ['list_threads', {}, 'gmail.readonly'],
  ['read_thread', { thread_id: MESSAGE }, 'gmail.readonly'],
  ['list_labels', {}, 'gmail.labels'],
  ['modify_labels', { message_id: MESSAGE, add: ['Label_7'] }, 'gmail.modify'],
  ['list_drafts', {}, 'gmail.readonly'],
  ['create_draft', MAIL, 'gmail.compose'],
  ['update_draft', { draft_id: 'r-1', ...MAIL }, 'gmail.compose'],
  ['send_draft', { draft_id: 'r-1' }, 'gmail.compose'],
  ['delete_draft', { draft_id: 'r-1' }, 'gmail.compose'],
];

testVendorInTrouble({
  vendor: 'Gmail',
  askedFirst: 'Google',
  // What Gmail answers to a deletion says nothing.
  calls: CALLS.filter(([name]) => name !== 'delete_draft').map(([name, args]) => [name, args]),
  open: (t, config, url) => gmail(t, { config, env: url === undefined ? {} : { GMAIL_API_URL: url, GOOGLE_OAUTH_URL: url } }),
});

test('every tool tells limits, missing rights and what does not exist apart', async (t) => {
  const { api, failing, server } = await gmail(t);
  for (const [name, args] of CALLS) {
    const answered = (status: number, message: string, reason?: string, headers: Record<string, string> = {}) => {
      api.fault = (_asked, response) => (reply(response, status, refusal(status, message, reason), headers), true);
      return failing(name, args);
    };
    assert.match(await answered(429, 'Too many', undefined, { 'retry-after': '37' }), /limits the rate of requests: Too many\. Try again in 37 seconds\.$/);
    assert.match(await answered(403, 'Mail service not enabled', 'domainPolicy'), /does not allow this with these credentials: Mail service not enabled$/);
    assert.match(await answered(404, 'Not found', 'notFound'), /^Gmail does not have this: Not found$/);
    assert.match(await answered(400, 'Invalid id value', 'invalidArgument'), /^Gmail did not accept this \(400\): Invalid id value$/);
    assert.match(await answered(503, 'Backend Error', 'backendError'), /^Gmail failed \(503\): Backend Error$/);
  }
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
});

test('a limit says how long to wait, however Google says it', async (t) => {
  const { api, failing } = await gmail(t);
  const answered = (status: number, body: object) => {
    api.fault = (_asked, response) => (reply(response, status, body), true);
    return failing('list_labels');
  };
  for (const reason of ['rateLimitExceeded', 'userRateLimitExceeded', 'quotaExceeded', 'dailyLimitExceeded']) {
    assert.match(await answered(403, refusal(403, 'Quota exceeded', reason)), /limits the rate .* Try again in 60 seconds\.$/, reason);
  }
  const exhausted = { error: { code: 403, message: 'Quota exceeded', status: 'RESOURCE_EXHAUSTED', details: [{ reason: 'RATE_LIMIT_EXCEEDED' }] } };
  assert.match(await answered(403, exhausted), /Try again in 60 seconds\.$/);
  const until = new Date(Date.now() + 100_000).toISOString();
  for (const sentence of [`User-rate limit exceeded.  Retry after ${until}`, `Limit exceeded (retry after ${until})`]) {
    const seconds = Number(/Try again in (\d+) seconds/.exec(await answered(429, refusal(429, sentence)))![1]);
    assert.ok(seconds > 80 && seconds <= 100, String(seconds));
  }
});

test('a token without the scope for a tool is told which one it takes', async (t) => {
  const { failing, server } = await gmail(t, { scopes: ['gmail.metadata'] });
  for (const [name, args, scope] of CALLS) {
    const words = new RegExp(`insufficient authentication scopes\\.; this needs one of the scopes ${scope}\\b`);
    assert.match(await failing(name, args), words, name);
  }
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
});

test('the settings of an instance can forbid every tool', async (t) => {
  const { api, failing } = await gmail(t, { config: { scopes: ['https://www.googleapis.com/auth/gmail.metadata'] } });
  for (const [name, args, scope] of CALLS) {
    assert.match(await failing(name, args), new RegExp(`scopes in CONFIG has none of ${scope}\\b`), name);
  }
  assert.deepEqual([api.asked.length, api.issued], [0, 0]);
});

test('settings that allow less than the credentials hold, tool by tool', async (t) => {
  const { call, failing } = await gmail(t, { config: { scopes: ['gmail.readonly'], api_version: 'v1' } });
  assert.equal((await call('read_message', { message_id: MESSAGE })).subject, 'The über report');
  assert.match(await failing('send_message', MAIL), /The settings of this instance do not allow this/);
  const everything = await gmail(t, { config: { scopes: ['https://mail.google.com/'] } });
  assert.ok(await everything.call('create_draft', MAIL));
});

test('settings that make no sense are named', async (t) => {
  const scopes = await gmail(t, { config: { scopes: 'gmail.readonly' } });
  assert.match(await scopes.failing('list_labels'), /scopes in CONFIG is not a list of scopes/);
  const version = await gmail(t, { config: { api_version: '../v2' } });
  assert.match(await version.failing('list_labels'), /api_version in CONFIG is not a version/);
});

test('no credential and no token shows in an error or a log', async (t) => {
  const { api, server, failing } = await gmail(t, { env: { LOG_LEVEL: 'debug' } });
  api.fault = ({ by }, response) => (reply(response, 400, refusal(400, `bad ${by} 1//canary-0123456789`)), true);
  assert.equal(await failing('list_labels'), 'Gmail did not accept this (400): bad [redacted] [redacted]');
  api.tokenFault = (form, response) => (reply(response, 503, { error: `${form}`, error_description: form.get('client_secret') }), true);
  api.tokens.clear();
  assert.doesNotMatch(await failing('list_labels'), /canary/);
  await server.stop();
  for (const name of ['app.log', 'error.log']) assert.doesNotMatch(await readFile(join(server.logDir, name), 'utf8'), /canary/);
});

test('the addresses of Google come from the environment, never from the settings of a user', async (t) => {
  const nowhere = 'http://127.0.0.1:1';
  const { call } = await gmail(t, { config: { GMAIL_API_URL: nowhere, GOOGLE_OAUTH_URL: nowhere, rootUrl: nowhere } });
  assert.equal((await call('list_labels')).labels.length, 3);
});
