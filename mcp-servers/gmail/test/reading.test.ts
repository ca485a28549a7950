import assert from 'node:assert/strict';
import test from 'node:test';
import { ERAS } from '../../runtime/test/support.ts';
import { reply } from './stand-in.ts';
import { gmail } from './support.ts';

const REPORT = '18c0000000000001';
const ANSWER = '18c0000000000002';
const JAPANESE = '18c0000000000003';

for (const era of ERAS) {
  test(`${era}: the tools say what they do`, async (t) => {
    const { client, call } = await gmail(t, { era });
    const { tools } = await client.listTools();
    const readers = ['list_messages', 'search_messages', 'read_message', 'get_attachment', 'list_threads', 'read_thread', 'list_labels', 'list_drafts'];
    assert.deepEqual(tools.filter(({ annotations }) => annotations?.readOnlyHint).map(({ name }) => name), readers);
    const destructive = tools.filter(({ annotations }) => annotations?.destructiveHint).map(({ name }) => name);
    assert.deepEqual(destructive, ['update_draft', 'delete_draft']);
    for (const { title, inputSchema, outputSchema } of tools) {
      assert.ok(title && outputSchema);
      assert.ok(!('anyOf' in inputSchema || 'oneOf' in inputSchema));
    }
    assert.equal((await call('list_labels')).labels[2].name, 'Reports');
  });
}

test('the background check asks for the profile', async (t) => {
  const { api, server } = await gmail(t);
  const checked = new Promise<string>((resolve) => {
    api.fault = ({ id }) => void resolve(id);
  });
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
  assert.equal(await checked, 'profile');
});

test('list_messages summarises the inbox, page by page', async (t) => {
  const { api, call } = await gmail(t);
  const first = await call('list_messages', { max_results: 2 });
  assert.deepEqual(first.messages.map(({ id }: any) => id), [JAPANESE, ANSWER]);
  assert.equal(first.messages[0].snippet, "Tom & Jerry's <show>");
  const last = await call('list_messages', { max_results: 2, page_token: first.next_page_token });
  assert.deepEqual(last, {
    messages: [
      {
        id: REPORT,
        thread_id: '18c0000000000001',
        date: '2026-11-01T08:01:00.000Z',
        from: '"Lovelace, Ada" <ada@example.com>',
        to: 'me@example.com',
        subject: 'The über report',
        snippet: 'Grüße, the report',
        label_ids: ['INBOX', 'Label_7'],
      },
    ],
    next_page_token: null,
  });
  const query = { labelIds: ['INBOX'], includeSpamTrash: ['false'], maxResults: ['2'], pageToken: ['page-2'] };
  assert.deepEqual(api.asked.find(({ query }) => query['pageToken'])!.query, query);
});

test('list_messages filters by all labels that are given, or by none', async (t) => {
  const { api, call } = await gmail(t);
  assert.equal((await call('list_messages', { label_ids: ['INBOX', 'Label_7'] })).messages.length, 1);
  assert.deepEqual(api.asked[0]!.query['labelIds'], ['INBOX', 'Label_7']);
  await call('list_messages', { label_ids: [], include_spam_trash: true });
  const { query } = api.asked.findLast(({ id }) => id === 'list_messages')!;
  assert.deepEqual([query['labelIds'], query['includeSpamTrash']], [undefined, ['true']]);
});

test('search_messages hands the query on, and finding nothing is an answer', async (t) => {
  const { api, call } = await gmail(t);
  assert.deepEqual(await call('search_messages', { query: 'from:nobody "x & y"' }), { messages: [], next_page_token: null });
  assert.deepEqual(api.asked.at(-1)!.query['q'], ['from:nobody "x & y"']);
});

test('a message that goes away while it is listed is left out', async (t) => {
  const { api, call } = await gmail(t);
  api.fault = ({ id, path }, response) =>
    id === 'get_message' && path['id'] === ANSWER && (reply(response, 404, { error: { code: 404, message: 'Not found' } }), true);
  assert.deepEqual((await call('list_messages')).messages.map(({ id }: any) => id), [JAPANESE, REPORT]);
});

test('a list that meets a limit ends at once instead of asking on', async (t) => {
  const { api, call } = await gmail(t);
  const messages = Array.from({ length: 100 }, (_, index) => ({ id: `m${index}` }));
  api.fault = ({ id }, response) => {
    if (id === 'list_messages') reply(response, 200, { messages });
    else reply(response, 429, { error: { code: 429, message: 'Slow down' } });
    return true;
  };
  await assert.rejects(call('list_messages', { max_results: 100 }), /Slow down\. Try again in 60 seconds/);
  assert.ok(api.asked.filter(({ id }) => id === 'get_message').length <= 10);
});

test('read_message reads headers, the plain text and the list of attachments', async (t) => {
  const { api, call } = await gmail(t);
  const message = await call('read_message', { message_id: REPORT });
  assert.equal(message.subject, 'The über report');
  assert.equal(message.cc, 'Charles <charles@example.com>');
  assert.equal(message.reply_to, 'Ada <ada+reports@example.com>');
  assert.deepEqual([message.body, message.body_type, message.body_truncated], ['Grüße,\nthe report is attached.\n', 'text', false]);
  assert.deepEqual(message.attachments, [
    { part_id: '1', filename: 'report.pdf', mime_type: 'application/pdf', size: 6 },
    { part_id: '2', filename: 'table.csv', mime_type: 'text/csv', size: 22 },
    { part_id: '3', filename: 'film.mp4', mime_type: 'video/mp4', size: 20_000_000 },
    { part_id: '4', filename: '', mime_type: 'message/rfc822', size: 26 },
    { part_id: '5', filename: 'empty.txt', mime_type: 'text/plain', size: 0 },
  ]);
  assert.deepEqual(api.asked.at(-1)!.query, { format: ['full'] });
  const html = await call('read_message', { message_id: REPORT, format: 'html', max_characters: 10 });
  assert.deepEqual([html.body, html.body_type, html.body_truncated], ['<p>Grüße,<', 'html', true]);
});

test('read_message makes text of HTML, and reads charsets that are not UTF-8', async (t) => {
  const { call } = await gmail(t);
  const answer = await call('read_message', { message_id: ANSWER });
  assert.deepEqual([answer.body, answer.body_type], ['Schöne Grüße [https://example.com/x]', 'text_from_html']);
  assert.equal((await call('read_message', { message_id: JAPANESE })).body, 'こんにちは');
});

test('get_attachment gives text as text, in its charset, and the rest in base64', async (t) => {
  const { call, failing } = await gmail(t);
  const table = await call('get_attachment', { message_id: REPORT, part_id: '2' });
  assert.deepEqual(table, { filename: 'table.csv', mime_type: 'text/csv', size: 22, encoding: 'utf-8', content: 'name;city\nJürgen;Köln\n' });
  const report = await call('get_attachment', { message_id: REPORT, part_id: '1' });
  assert.deepEqual([report.encoding, report.content, report.size], ['base64', 'JVBERv8A', 6]);
  assert.equal((await call('get_attachment', { message_id: REPORT, part_id: '4' })).content, 'Subject: Old\r\n\r\nForwarded');
  assert.equal((await call('get_attachment', { message_id: REPORT, part_id: '5' })).content, '');
  assert.match(await failing('get_attachment', { message_id: REPORT, part_id: '0' }), /no attachment 0; read_message lists/);
  assert.match(await failing('get_attachment', { message_id: REPORT, part_id: '3' }), /has 20000000 bytes, and 2097152 are the most/);
  assert.match(await failing('get_attachment', { message_id: REPORT, part_id: '9' }), /no attachment 9; read_message lists/);
  assert.equal((await call('get_attachment', { message_id: JAPANESE, part_id: '' })).content, '\x1b$B$3$s$K$A$O\x1b(B');
});

test('list_threads and read_thread show conversations', async (t) => {
  const { api, call } = await gmail(t);
  const { threads, next_page_token } = await call('list_threads', { query: 'from:', label_ids: ['INBOX'], max_results: 5 });
  assert.equal(next_page_token, null);
  assert.deepEqual(threads[1], {
    id: '18c0000000000001',
    subject: 'The über report',
    participants: ['"Lovelace, Ada" <ada@example.com>', 'Charles <charles@example.com>'],
    messages: 2,
    last_date: '2026-11-01T08:02:00.000Z',
    snippet: 'Schöne Grüße',
  });
  assert.deepEqual(api.asked[0]!.query, { q: ['from:'], labelIds: ['INBOX'], includeSpamTrash: ['false'], maxResults: ['5'] });
  const { messages } = await call('read_thread', { thread_id: '18c0000000000001', max_characters: 6 });
  assert.deepEqual(messages.map(({ body }: any) => body), ['Grüße,', 'Schöne']);
  assert.deepEqual(messages.map(({ body_truncated }: any) => body_truncated), [true, true]);
});

test('modify_labels adds and removes', async (t) => {
  const { api, call, failing } = await gmail(t);
  const changed = await call('modify_labels', { message_id: JAPANESE, add: ['Label_7'], remove: ['UNREAD', 'INBOX'] });
  assert.deepEqual(changed, { id: JAPANESE, thread_id: JAPANESE, label_ids: ['Label_7'] });
  assert.deepEqual(api.asked.at(-1)!.body, { addLabelIds: ['Label_7'], removeLabelIds: ['UNREAD', 'INBOX'] });
  assert.match(await failing('modify_labels', { message_id: JAPANESE }), /Nothing to do/);
});

test('arguments that are none are refused without asking Google', async (t) => {
  const { api, failing } = await gmail(t);
  const refused: [string, Record<string, unknown>, RegExp][] = [
    ['list_messages', { max_results: 0 }, /max_results: /],
    ['list_messages', { max_results: '5' }, /max_results: /],
    ['search_messages', {}, /query: /],
    ['read_message', { message_id: '../profile' }, /message_id: is not an id of Gmail/],
    ['read_message', { message_id: REPORT, format: 'raw' }, /format: /],
    ['get_attachment', { message_id: REPORT, part_id: 'x' }, /part_id: is not the id of a part/],
    ['read_thread', {}, /thread_id: /],
    ['modify_labels', { message_id: REPORT, add: 'INBOX' }, /add: /],
    ['update_draft', { text: 'x' }, /draft_id: /],
  ];
  for (const [name, args, words] of refused) assert.match(await failing(name, args), words);
  assert.deepEqual([api.asked.length, api.issued], [0, 0]);
});
