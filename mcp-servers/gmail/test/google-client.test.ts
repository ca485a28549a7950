// Google's own client finds its way around the stand-in: what it sends is taken, and what it reads is what the tools
// read. So the hand-drawn description is not merely what our own client expects.
import assert from 'node:assert/strict';
import test from 'node:test';
import { gmail } from '@googleapis/gmail';
import { OAuth2Client } from 'google-auth-library';
import { OPERATIONS } from './contract.ts';
import credentials from './credentials.json' with { type: 'json' };
import { standIn } from './stand-in.ts';

test('every operation is one of Google’s client, and takes its parameters', async (t) => {
  const api = await standIn(t, credentials);
  const { client_id: clientId, client_secret: clientSecret, refresh_token } = credentials;
  const auth = new OAuth2Client({ clientId, clientSecret, endpoints: { oauth2TokenUrl: `${api.url}/token` } });
  auth.setCredentials({ refresh_token });
  // Its types want the very copy of the library that it brings along.
  const { users } = gmail({ version: 'v1', rootUrl: `${api.url}/`, auth: auth as never });
  const userId = 'me';
  const id = '18c0000000000001';
  const raw = Buffer.from('To: ada@example.com\r\nSubject: Hello\r\n\r\nHello').toString('base64url');
  const filter = { userId, q: 'from:ada', labelIds: ['INBOX', 'Label_7'], includeSpamTrash: false, maxResults: 5 };
  const shown = { userId, id, format: 'metadata', metadataHeaders: ['From', 'Subject'] };

  assert.equal((await users.getProfile({ userId })).data.emailAddress, 'me@example.com');
  assert.equal((await users.messages.list(filter)).data.messages![0]!.id, id);
  assert.equal((await users.messages.get(shown)).data.payload!.headers!.length, 2);
  assert.equal((await users.messages.attachments.get({ userId, messageId: id, id: 'ANGjdJ-report' })).data.size, 6);
  assert.equal((await users.messages.modify({ userId, id, requestBody: { removeLabelIds: ['UNREAD'] } })).data.id, id);
  assert.ok((await users.messages.send({ userId, requestBody: { raw, threadId: id } })).data.id);
  assert.equal((await users.threads.list(filter)).data.threads!.length, 1);
  assert.equal((await users.threads.get(shown)).data.messages!.length, 3);
  assert.equal((await users.labels.list({ userId })).data.labels!.length, 3);
  const draft = (await users.drafts.create({ userId, requestBody: { message: { raw } } })).data.id!;
  assert.equal((await users.drafts.list({ userId, maxResults: 1 })).data.drafts!.length, 1);
  assert.equal((await users.drafts.get({ userId, id: draft, format: 'metadata' })).data.id, draft);
  assert.equal((await users.drafts.update({ userId, id: draft, requestBody: { message: { raw } } })).data.id, draft);
  assert.ok((await users.drafts.send({ userId, requestBody: { id: draft } })).data.id);
  const last = (await users.drafts.create({ userId, requestBody: { message: { raw } } })).data.id!;
  assert.equal((await users.drafts.delete({ userId, id: last })).status, 204);

  assert.deepEqual(new Set(api.asked.map((asked) => asked.id)), new Set(OPERATIONS.map((operation) => operation.id)));
  assert.equal(api.issued, 1);
});

test('the stand-in refuses what the API would', async (t) => {
  const { url, tokens } = await standIn(t, credentials);
  tokens.set('good', ['gmail.modify']);
  const ask = async (path: string, body?: object, authorization = 'Bearer good', method = body ? 'POST' : 'GET') => {
    const headers = { authorization, 'content-type': 'application/json' };
    const response = await fetch(`${url}/gmail/v1/users/me${path}`, { method, headers, body: body && JSON.stringify(body) });
    return `${response.status} ${await response.text()}`;
  };
  const raw = (text: string) => ({ raw: Buffer.from(text).toString('base64url') });
  assert.match(await ask('/profile'), /^200 /);
  assert.match(await ask('/profile', undefined, ''), /^401 /);
  assert.match(await ask('/profile', undefined, 'Bearer other'), /^401 /);
  assert.match(await ask('/nothing'), /^400 .*no operation for GET/);
  assert.match(await ask('/messages?query=x'), /^400 .*list_messages does not know query/);
  assert.match(await ask('/messages?maxResults=501'), /^400 .*does not take .*501.* as maxResults/);
  assert.match(await ask('/messages?q=a&q=b'), /^400 .*is given q twice/);
  assert.match(await ask('/messages/x?format=summary'), /^400 .*as format/);
  assert.match(await ask('/messages/send', {}), /^400 .*send_message needs raw/);
  assert.match(await ask('/messages/send', raw('To: ada@example.com\nSubject: x\n\nx')), /^400 .*does not take this as raw/);
  assert.match(await ask('/messages/send', { raw: 'To: ada@example.com\r\n\r\n' }), /^400 .*does not take this as raw/);
  assert.match(await ask('/drafts', raw('To: ada@example.com\r\n\r\nx')), /^400 .*create_draft does not know raw|needs message/);
  assert.match(await ask('/messages/x/modify', { addLabelIds: 'INBOX' }), /^400 .*as addLabelIds/);
  assert.match(await ask('/messages/18c0000000000009'), /^404 .*Requested entity was not found/);
});
