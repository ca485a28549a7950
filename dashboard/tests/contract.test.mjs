// What the dashboard reads and asks is what the daemon says it has, in the OpenAPI document that it serves.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Daemon } from './daemon.mjs';

const sources = join(import.meta.dirname, '../src');
let daemon;
let document;

before(async () => {
  daemon = await new Daemon().start();
  document = await (await fetch(`${daemon.url}/openapi.json`)).json();
});

after(() => daemon?.close());

/** Ours to theirs, where they differ; pages have a name for each kind of item. */
const CALLED = { Transition: 'Event', Page: 'Page_Instance', Readiness: 'Readiness' };

/** All properties of a schema, also of those it is made from. */
function properties(schema) {
  const own = Object.keys(schema.properties ?? {});
  const parts = [
    ...(schema.allOf ?? []),
    ...(schema.$ref === undefined ? [] : [document.components.schemas[schema.$ref.split('/').at(-1)]]),
  ];
  return [...own, ...parts.flatMap(properties)];
}

test('every field that is read is one that the daemon sends', () => {
  const text = readFileSync(join(sources, 'api/types.ts'), 'utf8');
  let checked = 0;
  for (const [, name, body] of text.matchAll(/export interface (\w+)(?:<T>)?(?: extends \w+)? \{\n([\s\S]*?)\n\}/g)) {
    const schema = document.components.schemas[CALLED[name] ?? name];
    if (schema === undefined && name === 'ClientConfig') continue;
    assert.ok(schema, `there is no schema for ${name}`);
    const known = properties(schema);
    for (const [, field] of body.matchAll(/^ {2}(\w+): /gm)) {
      assert.ok(known.includes(field), `${name}.${field} is none of ${known.join(', ')}`);
      checked += 1;
    }
  }
  assert.ok(checked > 100, `${checked} fields`);
  for (const [ours, theirs] of [
    ['Status', 'Status'],
    ['Role', 'Role'],
    ['OnExpiry', 'OnExpiry'],
    ['FieldType', 'FieldType'],
    ['ConfigKind', 'ConfigKind'],
    ['ActorKind', 'ActorKind'],
    ['AuditResult', 'AuditResult'],
  ]) {
    const words = [...text.match(new RegExp(`export type ${ours} =([^;]*);`))[1].matchAll(/'(\w+)'/g)].map(
      ([, word]) => word,
    );
    const schema = document.components.schemas[theirs];
    const all = schema.enum ?? schema.oneOf.flatMap((each) => each.enum ?? [each.const]);
    assert.deepEqual(words.toSorted(), all.toSorted(), ours);
  }
});

test('every route that is asked is there', () => {
  const shape = (path) => path.replace(/\?.*$/, '').replace(/\$?\{[^}]*\}/g, '{}');
  const known = new Set(Object.keys(document.paths).map(shape));
  const asked = new Set();
  for (const name of readdirSync(sources, { recursive: true }).filter((each) => /\.tsx?$/.test(each))) {
    // A part of an address that is put in may hold quotes and braces of its own, which do not matter here.
    const text = readFileSync(join(sources, name), 'utf8').replace(/\$\{encodeURIComponent\((\w+)\)\}/g, '${$1}');
    for (const [, path] of text.matchAll(/['`](\/(?:v1\/|readyz)[^'`]*?)(?:['`]|\$\{also)/g)) asked.add(shape(path));
  }
  assert.ok(asked.size > 15, [...asked].join(' '));
  const missing = [...asked].filter((path) => !known.has(path) && path !== '/v1/instances/{}/client-config');
  // `stop`, `restart` and the like are put together from the words of a type.
  assert.deepEqual(
    missing.filter((path) => path !== '/v1/instances/{}/{}'),
    [],
  );
});
