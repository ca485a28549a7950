import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { connect, start, text } from '../../runtime/test/support.ts';
import credentials from './credentials.json' with { type: 'json' };
import { standIn, type Tokens } from './stand-in.ts';

/** Runs the real bundle against the stand-in; `call` answers the structured content or throws the error's text. */
async function slack(t: TestContext, tokens: Tokens = credentials) {
  const api = await standIn(t, credentials);
  const server = await start(t, '../slack.cjs', { CREDENTIALS: JSON.stringify(tokens), SLACK_API_URL: api.url });
  const client = await connect(t, server.url, 'modern');
  const call = async (name: string, args: Record<string, unknown>) => {
    const result = await client.callTool({ name, arguments: args });
    if (result.isError) throw new Error(text(result));
    return result.structuredContent as any;
  };
  return { api, call, client, server };
}

const GENERAL = { channel: 'C0GENERAL1' };
const FIRST = '1700000001.000100';

test('the tools say which of them only read', async (t) => {
  const { client } = await slack(t);
  const { tools } = await client.listTools();
  const writing = tools.filter((tool) => !tool.annotations?.readOnlyHint).map((tool) => tool.name);
  assert.deepEqual(writing, ['send_message', 'add_reaction', 'upload_file']);
  // Some clients do not take a choice at the top of a schema.
  for (const { inputSchema } of tools) assert.ok(!('anyOf' in inputSchema || 'oneOf' in inputSchema));
});

test('list_channels follows cursors to the end, and asks for the kinds that were wanted', async (t) => {
  const { api, call } = await slack(t);
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const answer = await call('list_channels', { limit: 1, cursor, types: ['public_channel', 'private_channel'] });
    ids.push(...answer.channels.map((one: { id: string }) => one.id));
    cursor = answer.next_cursor ?? undefined;
  } while (cursor !== undefined);
  assert.deepEqual(ids, ['C0GENERAL1', 'C0RANDOM01', 'C0SECRET01']);
  assert.equal(api.asked.at(-1)!.form['types'], 'public_channel,private_channel');
  await assert.rejects(call('list_channels', { cursor: 'bm8=' }), /begin again without a cursor \(invalid_cursor\)/);
  const { channels } = await call('list_channels', { exclude_archived: false });
  assert.deepEqual(channels[0], {
    id: 'C0GENERAL1',
    name: 'general',
    is_private: false,
    is_archived: false,
    is_member: true,
    num_members: 3,
    topic: 'News',
    purpose: 'For all',
  });
  assert.equal(channels.at(-1).name, 'old');
});

test('send_message writes to channels, threads and people, in three ways of writing', async (t) => {
  const { api, call } = await slack(t);
  const sent = await call('send_message', { ...GENERAL, text: '*Bold*', unfurl_links: false, blocks: [{ type: 'divider' }] });
  assert.deepEqual(api.asked.at(-1)!.form, {
    ...GENERAL,
    text: '*Bold*',
    mrkdwn: 'true',
    blocks: '[{"type":"divider"}]',
    unfurl_links: 'false',
  });
  const answer = await call('send_message', { ...GENERAL, text: 'a_b', format: 'plain', thread_ts: sent.ts, reply_broadcast: true });
  assert.equal(answer.thread_ts, sent.ts);
  assert.equal(api.asked.at(-1)!.form['mrkdwn'], 'false');
  await call('send_message', { channel: 'U0ADA00001', text: '**Hi** & <b>', format: 'markdown' });
  assert.deepEqual(api.asked.at(-1)!.form, { channel: 'U0ADA00001', markdown_text: '**Hi** & <b>' });
});

test('send_message names what does not go together, without asking Slack', async (t) => {
  const { api, call } = await slack(t);
  const say = (args: object) => call('send_message', { ...GENERAL, text: 'x', ...args });
  await assert.rejects(say({ reply_broadcast: true }), /reply_broadcast needs thread_ts/);
  await assert.rejects(say({ format: 'markdown', blocks: [{ type: 'divider' }] }), /blocks and format markdown exclude/);
  await assert.rejects(say({ format: 'markdown', text: 'x'.repeat(12_001) }), /12001 characters, and Slack takes 12000/);
  await assert.rejects(say({ text: '' }), /Invalid arguments for send_message: text/);
  await assert.rejects(say({ blocks: [{}] }), /Invalid arguments for send_message: blocks\.0\.type/);
  assert.deepEqual(api.asked, []);
});

test('get_history reads backwards in pages, and shows what bots attach', async (t) => {
  const { call } = await slack(t);
  const newest = await call('get_history', { ...GENERAL, limit: 1 });
  assert.equal(newest.messages[0].attachments[0].text, 'Disk full on db1');
  const next = await call('get_history', { ...GENERAL, limit: 2, cursor: newest.next_cursor });
  assert.deepEqual(next.messages.map((one: any) => one.text), ['Lunch', 'Shall we ship?']);
  assert.equal(next.next_cursor, null);
  const between = { oldest: FIRST, latest: '1700000004.000100', inclusive: true };
  assert.equal((await call('get_history', { ...GENERAL, ...between })).messages.length, 2);
});

test('get_replies reads a thread forwards', async (t) => {
  const { call } = await slack(t);
  const thread = await call('get_replies', { ...GENERAL, ts: FIRST });
  assert.deepEqual(thread.messages.map((one: any) => one.text), ['Shall we ship?', 'Yes', 'Done']);
  assert.deepEqual(thread.messages[2].reactions, [{ name: 'tada', count: 1 }]);
  await assert.rejects(call('get_replies', { ...GENERAL, ts: '1.000000' }), /no message with this ts.*\(thread_not_found\)/);
});

test('a reaction that is there already is no error', async (t) => {
  const { call, api } = await slack(t);
  const react = (name: string) => call('add_reaction', { ...GENERAL, timestamp: FIRST, name });
  assert.deepEqual(await react(':tada:'), { added: true });
  assert.deepEqual(await react('tada'), { added: false });
  assert.deepEqual(await react('wave::skin-tone-3'), { added: true });
  assert.equal(api.asked.at(-1)!.form['name'], 'wave::skin-tone-3');
  await assert.rejects(react('no-such-emoji'), /there is no such emoji/);
});

test('people are listed in pages and looked up by id or address', async (t) => {
  const { call } = await slack(t);
  const first = await call('list_users', { limit: 2 });
  assert.deepEqual(first.users.map((one: any) => [one.name, one.deleted]), [['ada', false], ['alan', true]]);
  const rest = await call('list_users', { limit: 2, cursor: first.next_cursor });
  assert.deepEqual([rest.users[0].is_bot, rest.next_cursor], [true, null]);
  assert.equal((await call('get_user', { user: 'U0ALAN0001' })).real_name, 'Alan Turing');
  assert.equal((await call('get_user', { email: 'ada@example.com' })).title, 'Analyst');
  await assert.rejects(call('get_user', {}), /needs either user or email/);
  await assert.rejects(call('get_user', { user: 'U0NOBODY01' }), /no such user; list_users gives the ids/);
  await assert.rejects(call('get_user', { email: 'no@example.com' }), /nobody in the workspace has this address/);
});

test('files are listed in pages and read as text or bytes, with the token only where Slack lives', async (t) => {
  const { api, call } = await slack(t);
  const listed = await call('list_files', { count: 2, user: 'U0ADA00001' });
  assert.deepEqual([listed.files.length, listed.next_page], [2, 2]);
  const notes = await call('read_file', { file: 'F0NOTES001' });
  assert.deepEqual([notes.name, notes.encoding, notes.content], ['notes.md', 'utf-8', '# Notizen\nGrüße\n']);
  assert.ok(!('url_private' in notes));
  const cat = await call('read_file', { file: 'F0IMAGE001' });
  assert.deepEqual([cat.encoding, cat.content], ['base64', '/9j/AA==']);
  await assert.rejects(call('read_file', { file: 'F0LARGE001' }), /5000000 bytes, and at most 1048576 are read/);
  await assert.rejects(call('read_file', { file: 'F0DRIVE001' }), /not kept by Slack; it is at/);
  await assert.rejects(call('read_file', { file: 'F0TRAP0001' }), /not kept by Slack/);
  await assert.rejects(call('read_file', { file: 'F0NONE0001' }), /no such file, or the bot cannot see it/);
  api.fault = ({ method }, response) => method === 'download' && (response.writeHead(302, { location: '/' }).end(), true);
  await assert.rejects(call('read_file', { file: 'F0NOTES001' }), /needs the scope files:read/);
  api.fault = ({ method }, response) => method === 'download' && (response.writeHead(200).end(Buffer.alloc(1024 * 1024 + 1)), true);
  await assert.rejects(call('read_file', { file: 'F0NOTES001' }), /larger than 1 MiB: only smaller files are read/);
});

test('a file that was uploaded can be read again, whatever its bytes', async (t) => {
  const { api, call } = await slack(t);
  const share = { ...GENERAL, thread_ts: FIRST, initial_comment: 'The report' };
  const done = await call('upload_file', { filename: 'é.txt', content: 'Grüße', title: 'Report', ...share });
  assert.deepEqual(done, { id: 'F0NEW00001', title: 'Report', shared_in: 'C0GENERAL1' });
  assert.deepEqual(api.asked.map(({ method, by }) => [method, by !== '']), [
    ['files.getUploadURLExternal', true],
    ['upload', false],
    ['files.completeUploadExternal', true],
  ]);
  assert.deepEqual(api.asked[0]!.form, { filename: 'é.txt', length: '7' });
  assert.deepEqual(api.asked[2]!.form, {
    files: '[{"id":"F0NEW00001","title":"Report"}]',
    channel_id: 'C0GENERAL1',
    thread_ts: FIRST,
    initial_comment: 'The report',
  });
  assert.equal((await call('read_file', { file: 'F0NEW00001' })).content, 'Grüße');
  const binary = await call('upload_file', { filename: 'x.bin', content: '/9j/AA==', encoding: 'base64' });
  assert.equal((await call('read_file', { file: binary.id })).content, '/9j/AA==');
  await assert.rejects(call('upload_file', { filename: 'x', content: '!', encoding: 'base64' }), /content is not base64/);
  await assert.rejects(call('upload_file', { filename: 'x', content: 'x', thread_ts: FIRST }), /need channel/);
  api.fault = ({ method }, response) => method === 'upload' && (response.writeHead(500).end(), true);
  await assert.rejects(call('upload_file', { filename: 'x', content: 'x' }), /Slack did not move the file \(500\)/);
});

test('search_messages speaks as the user, and says what is missing without one', async (t) => {
  const { api, call } = await slack(t);
  const found = await call('search_messages', { query: 'e', count: 1 });
  assert.deepEqual([found.total, found.matches.length, found.next_page], [3, 1, 2]);
  assert.equal(found.matches[0].channel.name, 'general');
  assert.equal(api.asked.at(-1)!.by, credentials.user_token);
  const alone = await slack(t, { bot_token: credentials.bot_token });
  await assert.rejects(alone.call('search_messages', { query: 'e' }), /store a user token .* as the credential user_token/);
});

test('what a channel does not allow is said with its remedy', async (t) => {
  const { call } = await slack(t);
  const read = (channel: string) => call('get_history', { channel });
  await assert.rejects(read('C0RANDOM01'), /the bot is not in this channel; have someone there say \/invite/);
  await assert.rejects(read('C0NONE0001'), /list_channels gives the ids/);
  await assert.rejects(call('send_message', { channel: 'C0OLD00001', text: 'x' }), /the channel is archived/);
  await assert.rejects(read('general'), /channel: is not the id of a channel, such as C0123456789; list_channels gives them/);
});

test('the background check asks for both tokens', async (t) => {
  const { api, server } = await slack(t);
  const checked = new Promise<void>((resolve) => {
    api.fault = ({ method, by }) => {
      if (method === 'auth.test' && by === credentials.user_token) resolve();
    };
  });
  await (await fetch(`${server.url}/health`)).text();
  await checked;
  assert.deepEqual(api.asked.map(({ method, by }) => [method, by]), [
    ['auth.test', credentials.bot_token],
    ['auth.test', credentials.user_token],
  ]);
});
