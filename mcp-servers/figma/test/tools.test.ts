import assert from 'node:assert/strict';
import test from 'node:test';
import { ERAS } from '../../runtime/test/support.ts';
import { FILE, TEAM } from './answers.ts';
import { reply, standIn } from './stand-in.ts';
import { figma } from './support.ts';

test('the stand-in refuses what the published description does', async (t) => {
  const { url } = await standIn(t, 'token');
  const ask = async (path: string, init: RequestInit = {}, token = 'token') => {
    const response = await fetch(url + path, { ...init, headers: { 'x-figma-token': token, 'content-type': 'application/json' } });
    return `${response.status} ${await response.text()}`;
  };
  const comment = (body: object) => ({ method: 'POST', body: JSON.stringify(body) });
  assert.match(await ask('/v1/me'), /^200 .*Ada/);
  assert.match(await ask('/v1/me', {}, 'another'), /^403 .*Invalid token/);
  assert.match(await ask('/v1/nothing'), /^400 .*no operation for GET/);
  assert.match(await ask('/v1/me', { method: 'DELETE' }), /^400 .*no operation for DELETE/);
  assert.match(await ask(`/v1/files/${FILE}?deepth=1`), /^400 .*getFile does not know deepth/);
  assert.match(await ask(`/v1/files/${FILE}?depth=deep`), /^400 .*depth: .*must be number/);
  assert.match(await ask(`/v1/files/${FILE}/nodes`), /^400 .*getFileNodes needs ids/);
  assert.match(await ask(`/v1/images/${FILE}?ids=1:1&format=gif`), /^400 .*must be equal to one of the allowed values/);
  assert.match(await ask(`/v1/images/${FILE}?ids=1:1&scale=5`), /^400 .*must be <= 4/);
  assert.match(await ask(`/v1/files/${FILE}/comments`, comment({})), /^400 .*must have required property 'message'/);
  assert.match(await ask(`/v1/files/${FILE}/comments`, comment({ message: 'x', pin: 1 })), /^400 .*does not know pin/);
  assert.match(await ask(`/v1/files/${FILE}/comments`, { method: 'POST' }), /^400 .*and its body/);
});

for (const era of ERAS) {
  test(`${era}: the tools say what they do`, async (t) => {
    const { client, call } = await figma(t, { era });
    const { tools } = await client.listTools();
    assert.deepEqual(tools.map(({ name }) => name), ['list_files', 'read_file', 'export_assets', 'get_comments', 'post_comment']);
    assert.deepEqual(tools.map(({ annotations }) => annotations?.readOnlyHint), [true, true, true, true, false]);
    for (const { title, inputSchema, outputSchema } of tools) {
      assert.ok(title && outputSchema);
      assert.ok(!('anyOf' in inputSchema || 'oneOf' in inputSchema));
    }
    assert.equal((await call('list_files', { folder_id: '801' })).name, 'Folder 1');
  });
}

test('the background check asks who the token belongs to', async (t) => {
  const { api, server } = await figma(t);
  const checked = new Promise<string>((resolve) => {
    api.fault = ({ id }) => void resolve(id);
  });
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
  assert.equal(await checked, 'getMe');
});

test('list_files goes through the folders of a team, five on a page', async (t) => {
  const { api, call } = await figma(t);
  const first = await call('list_files', { team_id: TEAM });
  assert.equal(first.name, 'Designers');
  assert.equal(first.folders.length, 7);
  assert.deepEqual(first.files.map((file: any) => file.folder_id), ['801', '802', '803', '804', '805']);
  assert.equal(first.next_page, 2);
  const second = await call('list_files', { team_id: TEAM, page: 2 });
  assert.deepEqual(second.files.map((file: any) => file.name), ['File of 806', 'File of 807']);
  assert.equal(second.next_page, null);
  assert.equal(api.asked.length, 6 + 3);
});

test('list_files takes the team of the settings, and says what is missing without one', async (t) => {
  const settled = await figma(t, { config: { team_id: TEAM } });
  assert.equal((await settled.call('list_files', {})).name, 'Designers');
  const bare = await figma(t);
  await assert.rejects(bare.call('list_files', {}), /Give folder_id or team_id, or set team_id in CONFIG/);
  assert.deepEqual(bare.api.asked, []);
  const rounded = await figma(t, { config: { team_id: Number(TEAM) } });
  await assert.rejects(rounded.call('list_files', {}), /team_id in CONFIG is not an id: digits in quotes/);
});

test('read_file outlines a file: pages and what lies on them', async (t) => {
  const { api, call } = await figma(t);
  const { nodes, ...file } = await call('read_file', { file: FILE });
  assert.deepEqual(file, {
    key: FILE,
    name: 'Website',
    last_modified: '2026-11-01T10:00:00Z',
    version: '2230',
    editor_type: 'figma',
    role: 'editor',
    missing: [],
  });
  const [design, archive] = nodes[0].children;
  assert.deepEqual([design.name, archive.name], ['Design', 'Archive']);
  assert.deepEqual(design.children, [{ id: '1:1', name: 'Home', type: 'FRAME', size: '1440 x 900', children: [] }]);
  assert.deepEqual(api.asked.at(-1)!.query, { depth: 2 });
});

test('read_file reads nodes, from an address too, and names those that are not there', async (t) => {
  const { api, call } = await figma(t);
  const some = await call('read_file', { file: FILE, node_ids: ['1-3', '9:9'], depth: 1, version: '17' });
  assert.deepEqual(some.nodes, [{ id: '1:3', name: 'Headline', type: 'TEXT', characters: 'Grüße', size: '200 x 40' }]);
  assert.deepEqual(some.missing, ['9:9']);
  assert.deepEqual(api.asked.at(-1)!.query, { ids: '1:3,9:9', depth: 1, version: '17' });
  const address = `https://www.figma.com/design/${FILE}/Web-site?node-id=1-2&t=x`;
  const full = await call('read_file', { file: address, detail: 'full' });
  assert.equal(full.nodes[0].clipsContent, true);
  assert.equal(full.components['5:1'].name, 'Button');
  const branch = await call('read_file', { file: `https://figma.com/design/Main/branch/${FILE}/Web-site` });
  assert.equal(branch.key, FILE);
});

test('read_file says how to ask for less where an answer would be too long', async (t) => {
  const { api, call } = await figma(t);
  const children = Array.from({ length: 3000 }, (_, index) => ({ id: `2:${index}`, name: 'x'.repeat(60), type: 'FRAME' }));
  const document = { id: '0:0', name: 'Document', type: 'DOCUMENT', children };
  const file = { name: 'Large', role: 'viewer', lastModified: '', editorType: 'figma', version: '1', document, components: {}, styles: {} };
  api.fault = (_asked, response) => (reply(response, 200, file), true);
  await assert.rejects(call('read_file', { file: FILE }), /has \d+ characters, and 200000 are the most: ask with a smaller depth/);
  api.fault = (_asked, response) => (response.writeHead(200).end(Buffer.alloc(33 * 1024 * 1024, ' ')), true);
  await assert.rejects(call('read_file', { file: FILE }), /larger than 32 MiB: ask for fewer nodes/);
});

test('export_assets renders nodes, and names those that cannot be', async (t) => {
  const { api, call } = await figma(t);
  const { images, failed } = await call('export_assets', { file: FILE, node_ids: ['1:1', '7-7'], format: 'jpg', scale: 2 });
  assert.deepEqual(images, [{ node_id: '1:1', url: 'https://images.example/1%3A1.jpg' }]);
  assert.deepEqual(failed, ['7:7']);
  assert.deepEqual(api.asked.at(-1)!.query, { ids: '1:1,7:7', format: 'jpg', scale: 2 });
  await assert.rejects(call('export_assets', { file: FILE, node_ids: ['7:7'] }), /rendered none of these nodes/);
  await assert.rejects(call('export_assets', { file: FILE }), /Which nodes\?/);
});

test('get_comments reads the newest first, in pages, with or without resolved threads', async (t) => {
  const { api, call } = await figma(t);
  const all = await call('get_comments', { file: FILE, per_page: 2 });
  assert.deepEqual(all.comments.map((one: any) => one.id), ['12', '11']);
  assert.deepEqual([all.total, all.next_page], [3, 2]);
  const last = await call('get_comments', { file: FILE, per_page: 2, page: 2 });
  assert.deepEqual(last.comments, [
    {
      id: '10',
      message: 'Too blue',
      user: 'Ada',
      created_at: '2026-11-01T12:00:00Z',
      resolved_at: '2026-11-04T12:00:00Z',
      parent_id: null,
      node_id: '1:2',
    },
  ]);
  assert.equal(last.next_page, null);
  const open = await call('get_comments', { file: FILE, unresolved_only: true });
  assert.deepEqual(open.comments.map((one: any) => one.id), ['12']);
  assert.deepEqual(api.asked.at(-1)!.query, { as_md: true });
});

test('post_comment pins a comment to a node or replies to one', async (t) => {
  const { api, call } = await figma(t);
  const pinned = await call('post_comment', { file: FILE, message: 'Grüße', node_id: '1-2' });
  assert.deepEqual([pinned.message, pinned.node_id, pinned.parent_id], ['Grüße', '1:2', null]);
  assert.deepEqual(api.asked.at(-1)!.body, { message: 'Grüße', client_meta: { node_id: '1:2', node_offset: { x: 0, y: 0 } } });
  await call('post_comment', { file: FILE, message: 'Yes', reply_to: '12' });
  assert.deepEqual(api.asked.at(-1)!.body, { message: 'Yes', comment_id: '12' });
  await assert.rejects(call('post_comment', { file: FILE, message: 'x', reply_to: '12', node_id: '1:2' }), /reply_to or node_id/);
});

test('arguments that are none are refused without asking Figma', async (t) => {
  const { api, call } = await figma(t);
  const refused: [string, Record<string, unknown>, RegExp][] = [
    ['read_file', {}, /Invalid arguments for read_file: file: /],
    ['read_file', { file: 'https://www.figma.com.example/design/abc/x' }, /file is neither the key/],
    ['read_file', { file: '../me' }, /file is neither the key/],
    ['read_file', { file: FILE, node_ids: ['home'] }, /node_ids\.0: is not the id of a node/],
    ['read_file', { file: FILE, depth: 0 }, /depth: /],
    ['export_assets', { file: FILE, node_ids: ['1:1'], format: 'gif' }, /format: /],
    ['export_assets', { file: FILE, node_ids: ['1:1'], scale: 5 }, /scale: /],
    ['list_files', { team_id: '1/../2' }, /team_id: is not an id/],
    ['get_comments', { file: FILE, per_page: 101 }, /per_page: /],
    ['post_comment', { file: FILE, message: '' }, /message: /],
  ];
  for (const [name, args, words] of refused) await assert.rejects(call(name, args), words);
  assert.deepEqual(api.asked, []);
});
