import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { connect, ended, start, text } from '../../runtime/test/support.ts';
import { reply, standIn } from './stand-in.ts';

const TOKEN = 'ghp_canary0123456789';
const CALLS: [string, Record<string, unknown>][] = [
  ['list_repos', {}],
  ['read_files', { owner: 'octo', repo: 'repo', paths: ['README.md', 'link'] }],
  ['create_issue', { owner: 'octo', repo: 'repo', title: 'Bug' }],
  ['manage_pr', { action: 'view', owner: 'octo', repo: 'repo', number: 7 }],
];

async function github(t: TestContext, env: Record<string, string>, token = TOKEN) {
  const server = await start(t, '../github.cjs', { CREDENTIALS: JSON.stringify({ personal_access_token: token }), ...env });
  const client = await connect(t, server.url, 'modern');
  const failing = async (name: string, args: Record<string, unknown>) => {
    const result = await client.callTool({ name, arguments: args });
    assert.equal(result.isError, true, text(result));
    return text(result);
  };
  return { server, client, failing };
}

for (const [name, args] of CALLS) {
  test(`${name}: refused credentials make the instance unhealthy, and are never shown`, async (t) => {
    const api = await standIn(t, ['another-token']);
    const { server, failing } = await github(t, { GITHUB_API_URL: api.url });
    assert.equal(await failing(name, args), 'GitHub refused the credentials: Bad credentials');
    const health = await fetch(`${server.url}/health`);
    assert.equal(health.status, 503);
    assert.equal(((await health.json()) as any).reason, 'GitHub refused the credentials: Bad credentials');
    await server.stop();
    assert.doesNotMatch(await readFile(join(server.logDir, 'app.log'), 'utf8'), /canary/);
  });

  test(`${name}: a rate limit says how long to wait`, async (t) => {
    const api = await standIn(t, [TOKEN]);
    const { failing, server } = await github(t, { GITHUB_API_URL: api.url });
    const limited = (status: number, headers: Record<string, string>, message = 'Slow down') => {
      api.fault = (_asked, response) => (reply(response, status, { message }, headers), true);
      return failing(name, args);
    };
    assert.match(await limited(429, { 'retry-after': '37' }), /Slow down\. Try again in 37 seconds\.$/);
    assert.match(await limited(403, { 'retry-after': '5' }), /Try again in 5 seconds\.$/);
    const reset = String(Math.floor(Date.now() / 1000) + 100);
    const primary = await limited(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset });
    const seconds = Number(/Try again in (\d+) seconds/.exec(primary)![1]);
    assert.ok(seconds > 90 && seconds <= 101, primary);
    assert.match(await limited(403, {}, 'You have exceeded a secondary rate limit'), /Try again in 60 seconds\.$/);
    assert.match(await limited(403, {}, 'Resource not accessible'), /does not allow this.*: Resource not accessible$/);
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
  });

  test(`${name}: an answer that is not in the API is called that`, async (t) => {
    const api = await standIn(t, [TOKEN]);
    const { failing } = await github(t, { GITHUB_API_URL: api.url });
    for (const body of ['<html>login</html>', '{"truncated":', '{}', 'null', '[{"number":"x"}]', '']) {
      api.fault = (_asked, response) => {
        response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(body);
        return true;
      };
      assert.match(await failing(name, args), /GitHub answered something that is not in its API/, body);
    }
    api.fault = (_asked, response) => (response.writeHead(502, { 'content-type': 'text/html' }).end('<html>'), true);
    assert.equal(await failing(name, args), 'GitHub failed (502): no explanation');
    api.fault = (_asked, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('[', () => response.destroy());
      return true;
    };
    await failing(name, args);
  });

  test(`${name}: a GitHub that does not answer is given up after the configured time`, async (t) => {
    const api = await standIn(t, [TOKEN]);
    api.fault = () => true;
    const { failing } = await github(t, { GITHUB_API_URL: api.url, CONFIG: '{"timeout_ms":200}' });
    assert.equal(await failing(name, args), 'GitHub did not answer within 0.2 seconds');
  });

  test(`${name}: a GitHub that is down is unavailable, not the credentials' fault`, async (t) => {
    const gone = createServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const url = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`;
    gone.close();
    await once(gone, 'close');
    const { failing, server } = await github(t, { GITHUB_API_URL: url });
    assert.equal(await failing(name, args), 'GitHub cannot be reached: ECONNREFUSED');
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
  });
}

test('what a token lacks is said', async (t) => {
  const api = await standIn(t, [TOKEN]);
  const { failing, server } = await github(t, { GITHUB_API_URL: api.url });
  for (const [status, headers, expected] of [
    [403, { 'x-github-sso': 'required; url=https://github.com/orgs/octo/sso?x=1' }, /authorised .* at https:\/\/github\.com\/orgs\/octo\/sso\?x=1$/],
    [403, { 'x-accepted-github-permissions': 'issues=write' }, /: No\. The token needs the permissions issues=write$/],
    [404, { 'x-accepted-oauth-scopes': 'repo, x', 'x-oauth-scopes': 'gist, user' }, /the scope repo or x for this, and the token has gist, user$/],
    [404, { 'x-accepted-oauth-scopes': 'repo', 'x-oauth-scopes': '' }, /and the token has none$/],
    [404, { 'x-accepted-oauth-scopes': 'repo', 'x-oauth-scopes': 'repo' }, /: No$/],
  ] as const) {
    api.fault = (_asked, response) => (reply(response, status, { message: 'No' }, headers), true);
    assert.match(await failing('create_issue', { owner: 'octo', repo: 'repo', title: 'x' }), expected);
  }
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
});

test("GitHub's list of field errors is handed on", async (t) => {
  const api = await standIn(t, [TOKEN]);
  const { failing } = await github(t, { GITHUB_API_URL: api.url });
  const errors = [{ resource: 'Issue', field: 'title', code: 'missing_field' }, { message: 'No commits between them' }];
  api.fault = (_asked, response) => (reply(response, 422, { message: 'Validation Failed', errors }), true);
  assert.equal(
    await failing('create_issue', { owner: 'octo', repo: 'repo', title: 'x' }),
    'GitHub did not accept this (422): Validation Failed: Issue title missing_field, No commits between them',
  );
});

test('the address of GitHub comes from the environment, never from the settings of a user', async (t) => {
  const api = await standIn(t, [TOKEN]);
  const CONFIG = '{"GITHUB_API_URL":"http://127.0.0.1:1","baseUrl":"http://127.0.0.1:1","vendorUrl":"http://127.0.0.1:1"}';
  const { client } = await github(t, { GITHUB_API_URL: `${api.url}/`, CONFIG });
  assert.equal((await client.callTool({ name: 'list_repos', arguments: {} })).isError, undefined);
});

test('a merge that cannot be done says why', async (t) => {
  const api = await standIn(t, [TOKEN]);
  const { failing } = await github(t, { GITHUB_API_URL: api.url });
  const merge = { action: 'merge', owner: 'octo', repo: 'repo', number: 7 };
  for (const [status, message] of [
    [405, 'Pull Request is not mergeable'],
    [409, 'Head branch was modified. Review and try the merge again.'],
  ] as const) {
    api.fault = (_asked, response) => (reply(response, status, { message }), true);
    assert.equal(await failing('manage_pr', merge), `GitHub did not accept this (${status}): ${message}`);
  }
});

for (const credentials of ['{}', '{"app_id":"1"}', '{"app_id":"1","private_key":"canary"}', '{"personal_access_token":"a b"}']) {
  test(`credentials that cannot be used: ${credentials}`, async () => {
    const { code, stderr } = await ended('../github.cjs', { PORT: '0', CREDENTIALS: credentials });
    assert.equal(code, 78);
    assert.match(stderr, /^github: CREDENTIALS[.:]/);
    assert.doesNotMatch(stderr, /canary|a b/);
  });
}
