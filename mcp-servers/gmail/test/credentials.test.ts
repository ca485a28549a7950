import assert from 'node:assert/strict';
import test from 'node:test';
import { ended } from '../../runtime/test/support.ts';
import credentials from './credentials.json' with { type: 'json' };
import { gmail } from './support.ts';
import { refusal, reply } from './stand-in.ts';

const health = async ({ url }: { url: string }) => {
  const response = await fetch(`${url}/health`);
  return { status: response.status, reason: ((await response.json()) as { reason?: string }).reason };
};

test('one access token serves all calls, also those that come at once', async (t) => {
  const { api, call } = await gmail(t);
  await Promise.all([call('list_labels'), call('list_messages'), call('list_threads')]);
  await call('list_labels');
  assert.equal(api.issued, 1);
  assert.deepEqual(new Set(api.asked.map(({ by }) => by)), new Set(['ya29.issued-canary-1']));
});

test('an access token that dies early is renewed without anybody noticing', async (t) => {
  const { api, call } = await gmail(t);
  await call('list_labels');
  api.tokens.clear();
  await Promise.all([call('list_labels'), call('list_messages', { max_results: 1 })]);
  assert.equal(api.issued, 2);
});

test('an access token is not used to its last minute', async (t) => {
  const { api, call } = await gmail(t);
  api.tokenFault = (_form, response) => {
    const access_token = `ya29.short-canary-${++api.issued}`;
    api.tokens.set(access_token, ['gmail.modify']);
    reply(response, 200, { access_token, expires_in: 60, token_type: 'Bearer' });
    return true;
  };
  await call('list_labels');
  await call('list_labels');
  assert.equal(api.issued, 2);
});

test('a token that is refused even when new makes the instance unhealthy', async (t) => {
  const { api, server, failing } = await gmail(t);
  api.fault = (_asked, response) => (reply(response, 401, refusal(401, 'Invalid Credentials', 'authError')), true);
  assert.equal(await failing('list_labels'), 'Gmail refused the credentials: Invalid Credentials');
  assert.equal(api.issued, 2);
  assert.deepEqual((await health(server)).reason, 'Gmail refused the credentials: Invalid Credentials');
});

const refusals: [string, Record<string, string>, RegExp][] = [
  ['a refresh token that was taken back', { refresh_token: '1//revoked-canary' }, /invalid_grant: Token has been expired or revoked\.\)\. .*authorise the account again and store the new refresh_token$/],
  ['a client that does not exist', { client_id: 'other-canary' }, /invalid_client: .*Check client_id and client_secret$/],
  ['a wrong client secret', { client_secret: 'wrong-canary' }, /invalid_client: .*Check client_id and client_secret$/],
];
for (const [name, change, words] of refusals) {
  test(`${name} is refused, and what to do is said`, async (t) => {
    const { server, failing } = await gmail(t, { credentials: { ...credentials, ...change } });
    const said = await failing('list_messages');
    assert.match(said, words);
    assert.deepEqual(await health(server), { status: 503, reason: said });
  });
}

test('credentials that work again make the instance healthy again', async (t) => {
  const { api, server, call, failing } = await gmail(t);
  api.tokenFault = (_form, response) => (reply(response, 400, { error: 'unauthorized_client' }), true);
  assert.match(await failing('list_labels'), /issued to another OAuth client/);
  assert.equal((await health(server)).status, 503);
  api.tokenFault = () => false;
  await call('list_labels');
  assert.equal((await health(server)).status, 200);
});

test('trouble at the issuer of tokens is not the credentials’ fault', async (t) => {
  const { api, server, failing } = await gmail(t, { config: { timeout_ms: 1000 } });
  const answered = (status: number, body: unknown, headers = {}) => {
    api.tokenFault = (_form, response) => (reply(response, status, body, headers), true);
    return failing('list_labels');
  };
  assert.match(await answered(503, '<html>'), /^Google failed to give a token \(503\): no explanation$/);
  assert.match(await answered(429, { error: 'rate_limited' }, { 'retry-after': '9' }), /rate of tokens: rate_limited\. Try again in 9 seconds\.$/);
  assert.match(await answered(200, { token: 'x' }), /^Google answered something that is not in its API \(at access_token\)$/);
  api.tokenFault = () => true;
  assert.equal(await failing('list_labels'), 'Google did not answer within 1 seconds');
  assert.deepEqual(api.asked, []);
  assert.equal((await health(server)).status, 200);
});

test('without a refresh token the access token in api_key is used while it lives', async (t) => {
  const { api, server, call, failing } = await gmail(t, { credentials: { ...credentials, api_key: 'ya29.given-canary', refresh_token: undefined } });
  api.tokens.set('ya29.given-canary', ['gmail.modify']);
  await call('list_labels');
  assert.deepEqual([api.asked[0]!.by, api.issued], ['ya29.given-canary', 0]);
  api.tokens.clear();
  const said = await failing('list_labels');
  assert.match(said, /^Gmail refused the credentials: .*lasted its hour: store a refresh_token, with which the server renews it$/);
  assert.equal((await health(server)).reason, said);
});

const unusable: [string, object, RegExp][] = [
  ['nothing', {}, /CREDENTIALS\.refresh_token: is missing: nothing here opens a mailbox\. Give the refresh token/],
  ['an API key of the console', { ...credentials, refresh_token: undefined }, /CREDENTIALS\.refresh_token: is missing: an API key of the console \(AIza…\) opens no mailbox/],
  ['a refresh token without its client', { refresh_token: '1//canary' }, /CREDENTIALS\.client_id: is missing: .*; CREDENTIALS\.client_secret: is missing: /],
  ['a secret with a line break', { ...credentials, client_secret: 'canary\nx' }, /CREDENTIALS\.client_secret: is empty, or holds white space/],
  ['a number', { ...credentials, refresh_token: 7 }, /CREDENTIALS\.refresh_token: .*string/],
];
for (const [name, given, line] of unusable) {
  test(`credentials that cannot be used: ${name}`, async () => {
    const { code, stderr } = await ended('../gmail.cjs', { PORT: '0', CREDENTIALS: JSON.stringify(given) });
    assert.equal(code, 78);
    assert.match(stderr, line);
    assert.doesNotMatch(stderr, /canary/);
  });
}
