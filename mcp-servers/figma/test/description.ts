// Figma's own OpenAPI document, which the stand-in holds requests and its answers to.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire as requireFrom } from 'node:module';
import { Ajv2020, type AnySchema } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
}

interface Operation {
  operationId: string;
  parameters?: Parameter[];
  requestBody?: object;
  responses: Record<string, { $ref?: string }>;
}

/** A request that the description allows. */
export interface Described {
  /** The name of the operation, such as `getFile`. */
  id: string;
  path: Record<string, string>;
  /** In the types of the description. */
  query: Record<string, unknown>;
  body: unknown;
}

const file = requireFrom(import.meta.url).resolve('@figma/rest-api-spec/openapi/openapi.yaml');
const document = parse(readFileSync(file, 'utf8')) as { paths: Record<string, Record<string, Operation>> };
const ajv = new Ajv2020({ strict: false, validateFormats: false });
// What comes in a URL is text; the description says what it stands for.
const lenient = new Ajv2020({ strict: false, validateFormats: false, coerceTypes: true });
for (const validator of [ajv, lenient]) validator.addSchema(document as AnySchema, 'figma');

/**
 * Finds the operation and checks everything that is sent to it.
 * @throws AssertionError that says what the description does not allow
 */
export function described(method: string, url: URL, body: string): Described {
  const { route, operation, path } = find(method, url.pathname);
  const parameters = operation.parameters ?? [];
  const at = `figma#/paths/${pointer(route)}/${method.toLowerCase()}`;
  const query: Record<string, unknown> = {};
  for (const [name, value] of url.searchParams) {
    const index = parameters.findIndex((one) => one.in === 'query' && one.name === name);
    assert.ok(index >= 0, `${operation.operationId} does not know ${name}`);
    assert.ok(!(name in query), `${operation.operationId} is given ${name} twice`);
    const holder = { value };
    check(lenient, { properties: { value: { $ref: `${at}/parameters/${index}/schema` } } }, holder, name);
    query[name] = holder.value;
  }
  for (const { name, required } of parameters.filter((one) => one.in === 'query')) {
    assert.ok(!required || name in query, `${operation.operationId} needs ${name}`);
  }
  assert.equal(body !== '', operation.requestBody !== undefined, `${operation.operationId} and its body`);
  const json = body === '' ? undefined : (JSON.parse(body) as unknown);
  if (json !== undefined) {
    check(ajv, { $ref: `${at}/requestBody/content/application~1json/schema` }, json, 'the body');
    const known = propertiesOf(operation);
    for (const name of Object.keys(json as object)) assert.ok(known.includes(name), `${operation.operationId} does not know ${name}`);
  }
  return { id: operation.operationId, path, query, body: json };
}

/** @throws AssertionError if the operation could not answer this */
export function couldAnswer(id: string, status: number, body: unknown): void {
  const operation = Object.values(document.paths).flatMap((methods) => Object.values(methods)).find((one) => one.operationId === id);
  const response = operation?.responses[status]?.$ref?.split('/').at(-1);
  assert.ok(response, `${id} does not answer ${status}`);
  check(ajv, { $ref: `figma#/components/responses/${response}/content/application~1json/schema` }, body, `${id}'s answer`);
}

function find(method: string, pathname: string) {
  for (const [route, methods] of Object.entries(document.paths)) {
    const names = [...route.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
    const match = new RegExp(`^${route.replace(/\{\w+\}/g, '([^/]+)')}$`).exec(pathname);
    const operation = methods[method.toLowerCase()];
    if (match === null || operation === undefined) continue;
    return { route, operation, path: Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(match[index + 1]!)])) };
  }
  throw new assert.AssertionError({ message: `no operation for ${method} ${pathname}` });
}

function propertiesOf({ requestBody }: Operation): string[] {
  const { content } = requestBody as { content: Record<string, { schema: { properties: object } }> };
  return Object.keys(content['application/json']!.schema.properties);
}

function check(validator: Ajv2020, schema: AnySchema, value: unknown, what: string): void {
  assert.ok(validator.validate(schema, value), `${what}: ${validator.errorsText()}`);
}

function pointer(part: string): string {
  return encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));
}
