import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { connect, ended, start, text } from '../../runtime/test/support.ts';
import calls from './calls.json' with { type: 'json' };
import credentials from './credentials.json' with { type: 'json' };
import { reply, standIn, type Fault } from './stand-in.ts';

/** The first call of each tool. */
const CALLS = [...new Map(calls.toReversed().map((call) => [call.tool, call.arguments])).entries()];

async function slack(t: TestContext, env: Record<string, string>) {
  const server = await start(t, '../slack.cjs', { CREDENTIALS: JSON.stringify(credentials), ...env });
  const client = await connect(t, server.url, 'modern');
  const failing = async (name: string, args: Record<string, unknown>) => {
    const result = await client.callTool({ name, arguments: args });
    assert.equal(result.isError, true, text(result));
    return text(result);
  };
  return { server, client, failing };
}

const saying =
  (body: object, headers: Record<string, string> = {}): Fault =>
  (_asked, response) => (reply(response, body, headers), true);

for (const [name, args] of CALLS) {
  test(`${name}: refused credentials make the instance unhealthy, and are never shown`, async (t) => {
    const api = await standIn(t, { bot_token: 'xoxb-another' });
    const { server, failing } = await slack(t, { SLACK_API_URL: api.url, LOG_LEVEL: 'debug' });
    const refusal = 'Slack refused the credentials: the token is wrong, or belongs to another workspace (invalid_auth)';
    assert.equal(await failing(name, args), refusal);
    const health = await fetch(`${server.url}/health`);
    assert.equal(health.status, 503);
    assert.equal(((await health.json()) as any).reason, refusal);
    await server.stop();
    assert.doesNotMatch(server.output.stdout + server.output.stderr, /canary/);
    assert.doesNotMatch(await readFile(join(server.logDir, 'app.log'), 'utf8'), /canary/);
  });

  test(`${name}: a rate limit says how long to wait`, async (t) => {
    const api = await standIn(t, credentials);
    const { failing, server } = await slack(t, { SLACK_API_URL: api.url });
    const limited = (headers: Record<string, string>) => {
      api.fault = (_asked, response) => (response.writeHead(429, headers).end(), true);
      return failing(name, args);
    };
    assert.equal(await limited({ 'retry-after': '37' }), 'Slack limits the rate of requests. Try again in 37 seconds.');
    assert.match(await limited({}), /Try again in 60 seconds\.$/);
    api.fault = saying({ ok: false, error: 'ratelimited' }, { 'retry-after': '5' });
    assert.match(await failing(name, args), /Try again in 5 seconds\.$/);
    assert.equal(api.asked.length, 3, 'nothing is asked twice');
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
  });

  test(`${name}: an answer that is not in the API is called that`, async (t) => {
    const api = await standIn(t, credentials);
    const { failing } = await slack(t, { SLACK_API_URL: api.url });
    for (const body of ['<html>login</html>', '{"truncated":', '{}', 'null', '[]', '', '{"ok":"yes"}']) {
      api.fault = (_asked, response) => (response.writeHead(200, { 'content-type': 'application/json' }).end(body), true);
      assert.match(await failing(name, args), /Slack answered something that is not in its API/, body);
    }
    if (name !== 'add_reaction') {
      api.fault = saying({ ok: true, channels: [{}], messages: [{}], members: 1, files: {}, file: null, user: 'x' });
      assert.match(await failing(name, args), /Slack answered something that is not in its API \(at /);
    }
    api.fault = (_asked, response) => (response.writeHead(502, { 'content-type': 'text/html' }).end('<html>'), true);
    assert.equal(await failing(name, args), 'Slack failed (502)');
    api.fault = (_asked, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{', () => response.destroy());
      return true;
    };
    assert.match(await failing(name, args), /^Slack cannot be reached: /);
  });

  test(`${name}: a Slack that does not answer is given up after the configured time`, async (t) => {
    const api = await standIn(t, credentials);
    api.fault = () => true;
    const { failing } = await slack(t, { SLACK_API_URL: api.url, CONFIG: '{"timeout_ms":200}' });
    assert.equal(await failing(name, args), 'Slack did not answer within 0.2 seconds');
  });

  test(`${name}: a Slack that is down is unavailable, not the credentials' fault`, async (t) => {
    const gone = createServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const url = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`;
    gone.close();
    await once(gone, 'close');
    const { failing, server } = await slack(t, { SLACK_API_URL: url });
    assert.equal(await failing(name, args), 'Slack cannot be reached: ECONNREFUSED');
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
  });
}

test('each class of refusal says what to do', async (t) => {
  const api = await standIn(t, credentials);
  const { failing, server } = await slack(t, { SLACK_API_URL: api.url });
  for (const [said, expected] of [
    [
      { error: 'missing_scope', needed: 'channels:read', provided: 'chat:write' },
      /lacks the scope channels:read \(it has chat:write\); add it under OAuth & Permissions/,
    ],
    [{ error: 'not_allowed_token_type' }, /a token of another kind \(not_allowed_token_type\)$/],
    [{ error: 'restricted_action_read_only_channel' }, /^Slack does not allow this.*\(restricted_action_read_only/],
    [{ error: 'fatal_error' }, /^Slack failed \(fatal_error\)$/],
    [
      { error: 'invalid_arguments', response_metadata: { messages: ['[ERROR] must be a string'] } },
      /^Slack did not accept this: \[ERROR\] must be a string \(invalid_arguments\)$/,
    ],
    [{ error: 'brand_new_error' }, /^Slack did not accept this \(brand_new_error\)$/],
  ] as const) {
    api.fault = saying({ ok: false, ...said });
    assert.match(await failing('list_channels', {}), expected);
    assert.equal((await fetch(`${server.url}/health`)).status, 200, said.error);
  }
});

test('tokens that Slack takes no more make the instance unhealthy until a call succeeds', async (t) => {
  const api = await standIn(t, credentials);
  const { client, failing, server } = await slack(t, { SLACK_API_URL: api.url });
  for (const [error, expected] of [
    ['token_revoked', /refused the credentials: .*install the app again and store the new token/],
    ['account_inactive', /refused the credentials: .*removed from the workspace/],
    ['token_expired', /refused the credentials: .*has expired/],
  ] as const) {
    api.fault = saying({ ok: false, error });
    assert.match(await failing('list_channels', {}), expected);
    assert.equal((await fetch(`${server.url}/health`)).status, 503, error);
    api.fault = () => false;
    assert.equal((await client.callTool({ name: 'list_channels', arguments: {} })).isError, undefined);
    assert.equal((await fetch(`${server.url}/health`)).status, 200, error);
  }
});

test('an error that quotes the token is shown without it', async (t) => {
  const api = await standIn(t, credentials);
  const { failing } = await slack(t, { SLACK_API_URL: api.url });
  const messages = [`token ${credentials.bot_token} is odd`];
  api.fault = saying({ ok: false, error: 'invalid_arguments', response_metadata: { messages } });
  assert.match(await failing('list_channels', {}), /token \[redacted\] is odd/);
});

for (const [given, field] of [
  ['{}', 'bot_token'],
  ['{"bot_token":"xoxp-canary-1"}', 'bot_token'],
  ['{"bot_token":""}', 'bot_token'],
  ['{"bot_token":"xoxb-canary 1"}', 'bot_token'],
  ['{"bot_token":7}', 'bot_token'],
  ['{"bot_token":"xoxb-1","user_token":"xoxb-canary-1"}', 'user_token'],
  ['{"bot_token":"xoxb-1","app_token":"canary"}', 'app_token'],
  ['{"bot_token":"xoxb-1","signing_secret":"canary"}', 'signing_secret'],
] as const) {
  test(`credentials that cannot be used name ${field}: ${given}`, async () => {
    const { code, stderr } = await ended('../slack.cjs', { PORT: '0', CREDENTIALS: given });
    assert.equal(code, 78);
    assert.match(stderr, new RegExp(`^slack: CREDENTIALS\\.${field}: `));
    assert.doesNotMatch(stderr, /canary/);
  });
}

test('everything Slack gives an app is taken, tokens that rotate as well', async (t) => {
  const bot_token = 'xoxe.xoxb-1-canary';
  const api = await standIn(t, { bot_token });
  const CREDENTIALS = JSON.stringify({ bot_token, app_token: 'xapp-1-canary', signing_secret: '0f'.repeat(16) });
  const { client } = await slack(t, { SLACK_API_URL: api.url, CREDENTIALS });
  assert.equal((await client.callTool({ name: 'list_channels', arguments: {} })).isError, undefined);
});
