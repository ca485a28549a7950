// The parts that need no browser: how a stream is read, what is an alert, what a list shows and in which order.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { build } from 'esbuild';

let parts;

before(async () => {
  const sources = join(import.meta.dirname, '../src');
  const contents = [
    'live/stream.ts',
    'live/alerts.ts',
    'pages/instance-order.ts',
    'ui/format.ts',
    'create/config-fields.tsx',
    'ui/lease-field.tsx',
  ]
    .map((name) => `export * from ${JSON.stringify(join(sources, name))};`)
    .join('\n');
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: sources },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['import'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
  });
  // What the modules look at when they are loaded; nothing of it takes part in what is tested.
  const nothing = {
    addEventListener() {},
    getItem: () => null,
    hidden: true,
    hash: '',
    documentElement: { dataset: {} },
  };
  Object.assign(globalThis, {
    document: nothing,
    sessionStorage: nothing,
    localStorage: nothing,
    location: nothing,
    addEventListener() {},
    matchMedia: () => nothing,
  });
  parts = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString('base64')}`);
});

const AT = Date.parse('2030-01-01T00:00:00Z');

function instance(more = {}) {
  return {
    id: '0190b2a0-7c3e-7000-8000-000000000001',
    name: 'one',
    user_id: 'u',
    mcp_type: 'github',
    status: 'running',
    status_reason: null,
    expires_at: new Date(AT + 3_600_000).toISOString(),
    restarts: { total: 0, in_window: 0, next_at: null },
    stats: { cpu_percent: 1, memory_bytes: 5, processes: 1, health: null },
    ...more,
  };
}

test('a stream is read alike however it is cut', () => {
  const text =
    ': hello\n\nevent: transition\nid: 12.3\ndata: {"a":\ndata: 1}\n\ndata:x\r\n\r\nevent: empty\n\nid: 4\ndata: y\n\n';
  const whole = [];
  parts.parser((message) => whole.push(message))(text);
  assert.deepEqual(whole, [
    { event: 'transition', id: '12.3', data: '{"a":\n1}' },
    { event: 'message', id: null, data: 'x' },
    { event: 'message', id: '4', data: 'y' },
  ]);
  for (let size = 1; size < 12; size += 1) {
    const cut = [];
    const parse = parts.parser((message) => cut.push(message));
    for (let at = 0; at < text.length; at += size) parse(text.slice(at, at + size));
    assert.deepEqual(cut, whole, `in pieces of ${size}`);
  }
});

test('what needs somebody is an alert, and what does not is none', () => {
  const tone = (more) => parts.instanceAlert(instance(more), AT)?.tone ?? null;
  const restarts = (in_window) => ({ restarts: { total: in_window, in_window, next_at: null } });
  const over = { expires_at: new Date(AT - 1).toISOString() };
  for (const [more, expected] of [
    [{}, null],
    [{ status: 'stopped' }, null],
    [{ status: 'hibernated' }, null],
    [{ status: 'disconnected' }, 'bad'],
    [{ status: 'disconnected', ...over }, null],
    [{ status: 'failed' }, 'bad'],
    [{ status: 'unhealthy' }, 'warn'],
    [restarts(2), null],
    [{ status: 'restarting', ...restarts(3) }, 'bad'],
    [{ status: 'stopped', ...restarts(5) }, null],
    [{ expires_at: new Date(AT + 60_000).toISOString() }, 'warn'],
    [{ status: 'stopped', expires_at: new Date(AT + 60_000).toISOString() }, null],
  ])
    assert.equal(tone(more), expected, JSON.stringify(more));
  const set = (more) =>
    parts.credentialAlert(
      { id: 'c', name: 'work', mcp_type: 'github', unreadable: null, expires_at: null, on_expiry: 'warn', ...more },
      AT,
    )?.tone ?? null;
  const days = (count) => new Date(AT + count * 86_400_000).toISOString();
  assert.deepEqual(
    [
      set({}),
      set({ expires_at: days(8) }),
      set({ expires_at: days(6) }),
      set({ expires_at: days(-1) }),
      set({ unreadable: 'x' }),
    ],
    [null, null, 'warn', 'bad', 'bad'],
  );
});

test('a list shows what was asked for, in the order that was asked for', () => {
  const list = [
    instance({ id: 'a1', name: 'b 10', stats: { cpu_percent: 3, memory_bytes: null } }),
    instance({ id: 'a2', name: 'b 9', status: 'failed', stats: { cpu_percent: null, memory_bytes: 7 } }),
    instance({ id: 'a3', name: null, mcp_type: 'slack', status: 'stopped', user_id: 'v' }),
  ];
  const people = new Map([['v', 'una']]);
  const ids = (query) => parts.shownOf(list, parts.chosen(new URLSearchParams(query)), people).map(({ id }) => id);
  assert.deepEqual(ids(''), ['a2', 'a1', 'a3'], 'what is in trouble comes first');
  assert.deepEqual(ids('sort=name'), ['a2', 'a1', 'a3'], 'numbers count as numbers');
  assert.deepEqual(ids('sort=cpu-'), ['a1', 'a3', 'a2']);
  assert.deepEqual(ids('sort=nonsense&status=nonsense'), ['a2', 'a1', 'a3']);
  assert.deepEqual(ids('q=una+slack'), ['a3']);
  assert.deepEqual(ids('status=trouble'), ['a2']);
  assert.deepEqual(ids('type=slack&q=b'), []);
});

test('figures and times fit their places', () => {
  const { bytes, duration, relative, safeLink, spoken } = parts;
  assert.deepEqual([0, 59_999, 61_000, 3_725_000, 47 * 3_600_000, 49 * 3_600_000, -5].map(duration), [
    '0s',
    '59s',
    '1m 01s',
    '1h 02m',
    '47h 00m',
    '2d 1h',
    '0s',
  ]);
  assert.deepEqual([0, 1_023, 1_024, 50_541_363, 104_857_600, 5e12].map(bytes), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '48.2 MiB',
    '100 MiB',
    '4.5 TiB',
  ]);
  assert.deepEqual(
    [relative(AT, AT), relative(AT - 90_000, AT), relative(AT + 7_200_000, AT)],
    ['just now', '1 minute ago', 'in 2 hours'],
  );
  assert.equal(spoken('personal_access_token'), 'Personal access token');
  assert.equal(spoken('api_key'), 'API key');
  assert.equal(safeLink('https://example.com/a'), 'https://example.com/a');
  for (const wrong of [
    'javascript:alert(1)',
    ' JavaScript:alert(1)',
    'data:text/html,x',
    '/relative',
    'gmail.readonly',
    '',
  ])
    assert.equal(safeLink(wrong), null, wrong);
});

test('only the settings that differ from the type are sent, each in its kind', () => {
  const type = {
    config_template: { region: 'eu', retries: 3, verbose: false, tags: ['a'], locked: 1, note: null },
    config_locked: ['locked'],
  };
  const start = parts.startOf(type);
  assert.deepEqual(parts.configOf(type, start), {});
  assert.ok(!('locked' in start));
  assert.deepEqual(parts.configOf(type, { ...start, retries: '5', verbose: true, tags: '["b"]', note: 'x' }), {
    retries: 5,
    verbose: true,
    tags: ['b'],
    note: 'x',
  });
  for (const [field, text] of [
    ['retries', 'many'],
    ['retries', ' '],
    ['tags', '['],
  ]) {
    assert.throws(
      () => parts.configOf(type, { ...start, [field]: text }),
      ({ field: at }) => at === field,
    );
  }
  assert.deepEqual(parts.bodyOf({ minutes: '60', until: '' }), { expiration_minutes: 60 });
  assert.deepEqual(parts.bodyOf({ minutes: '', until: 'never' }), {});
});
