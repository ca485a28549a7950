// The part of the Gmail API that the tools use. Google publishes no description on npm, so this is drawn up after the
// definitions of its own client: names that the client does not know do not compile, and google-client.test.ts shows
// that what the client sends is taken here.
import type { gmail_v1 } from '@googleapis/gmail';

type Check = (value: unknown) => boolean;

/** What one operation takes. Anything else is refused, as a misspelt parameter would be ignored in silence. */
export interface Operation {
  id: string;
  method: string;
  /** Below /gmail/v1/users/me. */
  path: RegExp;
  query: Record<string, Check>;
  body?: { properties: Record<string, Check>; required: string[] };
  scopes: string[];
}

type Query<P> = Partial<Record<Exclude<keyof P & string, 'userId' | 'requestBody' | 'id'>, Check>>;
type Body<S> = Partial<Record<keyof S & string, Check>>;

const text: Check = (value) => typeof value === 'string' && value.length > 0;
const flag: Check = (value) => value === 'true' || value === 'false';
const upTo = (most: number): Check => (value) => /^[1-9]\d*$/.test(String(value)) && Number(value) <= most;
const texts: Check = (value) => (Array.isArray(value) ? value : [value]).every(text);
const labels: Check = (value) => Array.isArray(value) && value.length <= 100 && value.every(text);
const oneOf =
  (...allowed: string[]): Check =>
  (value) =>
    allowed.includes(value as string);

/** A message in RFC 5322 with line breaks of its own kind, in base64url. */
const raw: Check = (value) => {
  if (typeof value !== 'string' || !/^[\w-]+={0,2}$/.test(value)) return false;
  const message = Buffer.from(value, 'base64url').toString('latin1');
  const [head = ''] = message.split('\r\n\r\n', 1);
  return message.includes('\r\n\r\n') && head.split('\r\n').every((line) => /^[!-9;-~]+:|^[ \t]/.test(line) && line.length <= 998);
};

const outgoing: Body<gmail_v1.Schema$Message> = { raw, threadId: text };

const message: Check = (value) => {
  const given = value as Record<string, unknown>;
  return 'raw' in given && Object.entries(given).every(([name, one]) => outgoing[name as 'raw']?.(one) === true);
};

const READ = ['gmail.readonly', 'gmail.modify'];
const SEND = ['gmail.send', 'gmail.compose', 'gmail.modify'];
const DRAFT = ['gmail.compose', 'gmail.modify'];
const format = oneOf('minimal', 'full', 'raw', 'metadata');

export const OPERATIONS: Operation[] = [
  { id: 'profile', method: 'GET', path: /^\/profile$/, query: {}, scopes: [...READ, 'gmail.compose'] },
  {
    id: 'list_messages',
    method: 'GET',
    path: /^\/messages$/,
    query: { q: text, labelIds: texts, includeSpamTrash: flag, maxResults: upTo(500), pageToken: text } satisfies Query<gmail_v1.Params$Resource$Users$Messages$List>,
    scopes: READ,
  },
  {
    id: 'get_message',
    method: 'GET',
    path: /^\/messages\/(?<id>[^/]+)$/,
    query: { format, metadataHeaders: texts } satisfies Query<gmail_v1.Params$Resource$Users$Messages$Get>,
    scopes: READ,
  },
  {
    id: 'get_attachment',
    method: 'GET',
    path: /^\/messages\/(?<message>[^/]+)\/attachments\/(?<id>[^/]+)$/,
    query: {},
    scopes: READ,
  },
  {
    id: 'send_message',
    method: 'POST',
    path: /^\/messages\/send$/,
    query: {},
    body: { properties: outgoing, required: ['raw'] },
    scopes: SEND,
  },
  {
    id: 'modify_message',
    method: 'POST',
    path: /^\/messages\/(?<id>[^/]+)\/modify$/,
    query: {},
    body: { properties: { addLabelIds: labels, removeLabelIds: labels } satisfies Body<gmail_v1.Schema$ModifyMessageRequest>, required: [] },
    scopes: ['gmail.modify'],
  },
  {
    id: 'list_threads',
    method: 'GET',
    path: /^\/threads$/,
    query: { q: text, labelIds: texts, includeSpamTrash: flag, maxResults: upTo(500), pageToken: text } satisfies Query<gmail_v1.Params$Resource$Users$Threads$List>,
    scopes: READ,
  },
  {
    id: 'get_thread',
    method: 'GET',
    path: /^\/threads\/(?<id>[^/]+)$/,
    query: { format: oneOf('full', 'metadata', 'minimal'), metadataHeaders: texts } satisfies Query<gmail_v1.Params$Resource$Users$Threads$Get>,
    scopes: READ,
  },
  { id: 'list_labels', method: 'GET', path: /^\/labels$/, query: {}, scopes: [...READ, 'gmail.labels'] },
  {
    id: 'list_drafts',
    method: 'GET',
    path: /^\/drafts$/,
    query: { q: text, includeSpamTrash: flag, maxResults: upTo(500), pageToken: text } satisfies Query<gmail_v1.Params$Resource$Users$Drafts$List>,
    scopes: [...READ, 'gmail.compose'],
  },
  {
    id: 'get_draft',
    method: 'GET',
    path: /^\/drafts\/(?<id>[^/]+)$/,
    query: { format } satisfies Query<gmail_v1.Params$Resource$Users$Drafts$Get>,
    scopes: [...READ, 'gmail.compose'],
  },
  {
    id: 'create_draft',
    method: 'POST',
    path: /^\/drafts$/,
    query: {},
    body: { properties: { message } satisfies Body<gmail_v1.Schema$Draft>, required: ['message'] },
    scopes: DRAFT,
  },
  {
    id: 'update_draft',
    method: 'PUT',
    path: /^\/drafts\/(?<id>[^/]+)$/,
    query: {},
    body: { properties: { message } satisfies Body<gmail_v1.Schema$Draft>, required: ['message'] },
    scopes: DRAFT,
  },
  {
    id: 'send_draft',
    method: 'POST',
    path: /^\/drafts\/send$/,
    query: {},
    body: { properties: { id: text } satisfies Body<gmail_v1.Schema$Draft>, required: ['id'] },
    scopes: DRAFT,
  },
  { id: 'delete_draft', method: 'DELETE', path: /^\/drafts\/(?<id>[^/]+)$/, query: {}, scopes: DRAFT },
];
