import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { connect, start, text } from '../../runtime/test/support.ts';
import credentials from './credentials.json' with { type: 'json' };
import { standIn } from './stand-in.ts';

/** Runs the real bundle against the stand-in; `call` answers the structured content or throws the error's text. */
async function github(t: TestContext) {
  const api = await standIn(t, [credentials.personal_access_token]);
  const CREDENTIALS = JSON.stringify(credentials);
  const server = await start(t, '../github.cjs', { CREDENTIALS, GITHUB_API_URL: api.url });
  const client = await connect(t, server.url, 'modern');
  const call = async (name: string, args: Record<string, unknown>) => {
    const result = await client.callTool({ name, arguments: args });
    if (result.isError) throw new Error(text(result));
    return result.structuredContent as any;
  };
  return { api, call, client, server };
}

test('the background check of the credentials costs nothing of the rate limit', async (t) => {
  const { api, server } = await github(t);
  const checked = new Promise<string>((resolve) => {
    api.fault = ({ id }) => void resolve(id);
  });
  await (await fetch(`${server.url}/health`)).text();
  assert.equal(await checked, 'rate_limit');
});

const REPO = { owner: 'octo', repo: 'repo' };

test('the four tools say what they do', async (t) => {
  const { client } = await github(t);
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), ['list_repos', 'read_files', 'create_issue', 'manage_pr']);
  assert.deepEqual(tools.map((tool) => tool.annotations?.readOnlyHint), [true, true, false, false]);
  assert.deepEqual(tools.map((tool) => tool.annotations?.destructiveHint), [false, false, false, true]);
  // Some clients do not take a choice at the top of a schema.
  for (const { inputSchema } of tools) assert.ok(!('anyOf' in inputSchema || 'oneOf' in inputSchema));
});

test('list_repos follows pages to the end', async (t) => {
  const { api, call } = await github(t);
  const names: string[] = [];
  let page: number | null = 1;
  while (page !== null) {
    const answer: any = await call('list_repos', { page, per_page: 2, visibility: 'public' });
    names.push(...answer.repositories.map((one: { full_name: string }) => one.full_name));
    page = answer.next_page;
  }
  assert.deepEqual(names, [1, 2, 3, 4, 5, 6].map((number) => `octo/repo-${number}`));
  assert.deepEqual(api.asked.at(-1)!.query, { visibility: 'public', sort: 'pushed', page: '3', per_page: '2' });
});

test('list_repos lists an organisation', async (t) => {
  const { api, call } = await github(t);
  assert.equal((await call('list_repos', { org: 'octo' })).repositories[0].full_name, 'octo/repo-9');
  assert.deepEqual(api.asked.at(-1)!.path, { org: 'octo' });
});

test('read_files reads text, bytes, links and directories, and names what it could not read', async (t) => {
  const { api, call } = await github(t);
  const paths = ['README.md', '/src/with space & more.bin', 'link', '', 'large.iso', 'missing', 'README.md'];
  const { files, errors } = await call('read_files', { ...REPO, paths, ref: 'v1/x' });
  assert.deepEqual(files[0], {
    path: 'README.md',
    type: 'file',
    size: 10,
    sha: 'c'.repeat(40),
    encoding: 'utf-8',
    content: '# Grüße\n',
  });
  assert.equal(files[1].encoding, 'base64');
  assert.equal(files[1].content, '/wD+');
  assert.equal(files[2].target, 'README.md');
  assert.deepEqual(files[3], { path: '', type: 'dir', entries: [{ name: 'src', path: 'src', type: 'dir', size: 0 }] });
  assert.deepEqual(errors.map((one: { path: string }) => one.path), ['large.iso', 'missing']);
  assert.match(errors[0].message, /2000000 bytes/);
  assert.equal(api.asked.length, 6);
  assert.ok(api.asked.every(({ query }) => query['ref'] === 'v1/x'));
  await assert.rejects(call('read_files', { ...REPO, paths: ['missing'] }), /does not have this/);
});

test('create_issue opens an issue', async (t) => {
  const { api, call } = await github(t);
  const fields = { title: 'Bug', body: 'It breaks', labels: ['bug'], assignees: ['octocat'], milestone: 3 };
  const issue = await call('create_issue', { ...REPO, ...fields });
  assert.deepEqual(issue, { number: 11, title: 'Bug', state: 'open', html_url: 'https://github.com/octo/repo/issues/11' });
  assert.deepEqual(api.asked.at(-1)!.body, fields);
  assert.deepEqual(api.asked.at(-1)!.path, REPO);
});

test('manage_pr lists, shows and diffs', async (t) => {
  const { api, call } = await github(t);
  const listed = await call('manage_pr', { action: 'list', ...REPO, state: 'all', base: 'main' });
  assert.equal(listed.pull_requests[0].number, 7);
  assert.equal(listed.next_page, null);
  assert.deepEqual(api.asked.at(-1)!.query, { state: 'all', base: 'main', page: '1', per_page: '30' });
  assert.equal((await call('manage_pr', { action: 'view', ...REPO, number: 7 })).pull_request.changed_files, 1);
  const diffed = await call('manage_pr', { action: 'diff', ...REPO, number: 7 });
  assert.deepEqual(diffed, { action: 'diff', diff: 'diff --git a/x b/x\n', diff_truncated: false });
});

test('manage_pr creates, reviews and merges', async (t) => {
  const { api, call } = await github(t);
  const fields = { title: 'Change', head: 'topic', base: 'main', draft: true };
  assert.equal((await call('manage_pr', { action: 'create', ...REPO, ...fields })).pull_request.number, 7);
  assert.deepEqual(api.asked.at(-1)!.body, fields);
  const comments = [{ path: 'x', line: 3, body: 'Why?' }];
  const review = { event: 'COMMENT', body: 'Hm', comments, sha: 'a1' };
  assert.equal((await call('manage_pr', { action: 'review', ...REPO, number: 7, ...review })).review.id, 5);
  assert.deepEqual(api.asked.at(-1)!.body, {
    event: 'COMMENT',
    body: 'Hm',
    comments: [{ path: 'x', line: 3, side: 'RIGHT', body: 'Why?' }],
    commit_id: 'a1',
  });
  const merge = { merge_method: 'squash', commit_title: 'One', sha: 'a1' };
  assert.equal((await call('manage_pr', { action: 'merge', ...REPO, number: 7, ...merge })).merge.merged, true);
  assert.deepEqual(api.asked.at(-1)!.body, merge);
  assert.equal(api.asked.at(-1)!.path['number'], '7');
});

test('manage_pr names what an action still needs, without asking GitHub', async (t) => {
  const { api, call } = await github(t);
  await assert.rejects(call('manage_pr', { action: 'merge', ...REPO }), /action merge needs number/);
  await assert.rejects(call('manage_pr', { action: 'create', ...REPO, title: 'x', head: 'y' }), /action create needs base/);
  await assert.rejects(call('manage_pr', { action: 'review', ...REPO, number: 1, event: 'COMMENT' }), /needs body/);
  await assert.rejects(call('manage_pr', { action: 'close', ...REPO }), /Invalid arguments for manage_pr: action/);
  assert.deepEqual(api.asked, []);
});

test('what is not there is said to be missing or hidden', async (t) => {
  const { call } = await github(t);
  const missing = /GitHub does not have this, or hides it from these credentials: Not Found$/;
  await assert.rejects(call('read_files', { owner: 'octo', repo: 'none', paths: [''] }), missing);
  await assert.rejects(call('create_issue', { owner: 'octo', repo: 'none', title: 'Bug' }), missing);
  for (const action of ['view', 'diff', 'merge']) await assert.rejects(call('manage_pr', { action, ...REPO, number: 8 }), missing);
  await assert.rejects(call('manage_pr', { action: 'review', ...REPO, number: 8, event: 'APPROVE' }), missing);
});

test('a repository that was renamed is found where it is now, on the same GitHub only', async (t) => {
  const { api, call } = await github(t);
  const moved = (status: number, location: string) => {
    api.fault = ({ path }, response) => path['repo'] === 'old' && (response.writeHead(status, { location }).end(), true);
  };
  moved(301, '/repos/octo/repo/contents/README.md');
  const read = () => call('read_files', { owner: 'octo', repo: 'old', paths: ['README.md'] });
  assert.equal((await read()).files[0].content, '# Grüße\n');
  moved(307, `${api.url}/repos/octo/repo/issues`);
  assert.equal((await call('create_issue', { owner: 'octo', repo: 'old', title: 'Bug' })).number, 11);
  assert.deepEqual(api.asked.at(-1)!.body, { title: 'Bug' });
  moved(302, '/repos/octo/repo/issues');
  await assert.rejects(call('create_issue', { owner: 'octo', repo: 'old', title: 'Bug' }), /has moved this to .*; ask there/);
  moved(301, api.url.replace('127.0.0.1', 'localhost'));
  await assert.rejects(read(), /has moved this to http:\/\/localhost/);
  moved(301, '/repos/octo/old/contents/README.md');
  await assert.rejects(read(), /in circles/);
});
