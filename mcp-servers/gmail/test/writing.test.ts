import assert from 'node:assert/strict';
import test from 'node:test';
import PostalMime from 'postal-mime';
import { gmail } from './support.ts';
import type { Asked } from './stand-in.ts';

const REPORT = '18c0000000000001';
const MAIL = { to: ['ada@example.com'], subject: 'Hello', text: 'Hello' };

/** The message that was handed to Gmail, in the eyes of a parser that did not write it, and as it is. */
async function handedOver({ body }: Asked) {
  const { raw, threadId } = (body as any).message ?? body;
  const source = Buffer.from(raw, 'base64url');
  return { mail: await PostalMime.parse(source), source: source.toString('latin1'), threadId };
}

test('send_message writes names, subjects, texts and files in any language', async (t) => {
  const { api, call } = await gmail(t);
  const sent = await call('send_message', {
    to: ['"Lovelace, Ada" <ada@example.com>', 'Jürgen Groß <juergen@example.com>'],
    cc: ['charles@example.com'],
    bcc: ['secret@example.com'],
    subject: `Grüße aus Köln — ${'sehr '.repeat(30)}lang`,
    text: 'Schöne Grüße\n.\nzum Schluß 日本',
    html: '<p>Schöne Grüße</p>',
    attachments: [
      { filename: 'Übersicht.csv', content: 'name;city\n' },
      { filename: 'picture.png', content: 'iVBORw0KGgo=', encoding: 'base64', content_type: 'image/png' },
    ],
  });
  assert.deepEqual(sent, { id: '18d0000000000001', thread_id: '18d0000000000001', label_ids: ['SENT'] });
  const { mail, source, threadId } = await handedOver(api.asked.at(-1)!);
  assert.deepEqual(mail.to, [
    { name: 'Lovelace, Ada', address: 'ada@example.com' },
    { name: 'Jürgen Groß', address: 'juergen@example.com' },
  ]);
  assert.equal(mail.cc![0]!.address, 'charles@example.com');
  // Gmail delivers blind copies by this header.
  assert.equal(mail.bcc![0]!.address, 'secret@example.com');
  assert.equal(mail.subject, `Grüße aus Köln — ${'sehr '.repeat(30)}lang`);
  assert.equal(mail.text!.trim(), 'Schöne Grüße\n.\nzum Schluß 日本');
  assert.equal(mail.html!.trim(), '<p>Schöne Grüße</p>');
  assert.deepEqual(mail.attachments.map(({ filename, mimeType }) => [filename, mimeType]), [['Übersicht.csv', 'text/csv'], ['picture.png', 'image/png']]);
  assert.deepEqual(Buffer.from(mail.attachments[1]!.content as ArrayBuffer), Buffer.from('iVBORw0KGgo=', 'base64'));
  assert.match(source, /^[\x00-\x7f]*$/, 'the message is plain ASCII on the wire');
  assert.ok(source.split('\r\n').every((line) => line.length <= 78 + 20), 'lines are folded');
  assert.match(mail.messageId!, /@mail\.gmail\.com>$/);
  assert.equal(threadId, undefined);
});

test('a reply stays in its thread and goes to who wrote', async (t) => {
  const { api, call } = await gmail(t);
  const sent = await call('send_message', { reply_to_message_id: REPORT, text: 'Thank you' });
  assert.equal(sent.thread_id, '18c0000000000001');
  const { mail, threadId } = await handedOver(api.asked.at(-1)!);
  assert.equal(threadId, '18c0000000000001');
  assert.equal(mail.subject, 'Re: The über report');
  assert.deepEqual(mail.to, [{ name: 'Ada', address: 'ada+reports@example.com' }]);
  assert.equal(mail.inReplyTo, '<report@example.com>');
  assert.equal(mail.references, '<first@example.com> <second@example.com> <report@example.com>');

  await call('send_message', { reply_to_message_id: '18c0000000000002', text: 'x', to: ['charles@example.com'], subject: 'Re: the report' });
  const second = await handedOver(api.asked.at(-1)!);
  assert.equal(second.mail.subject, 'Re: the report');
  assert.equal(second.mail.references, '<report@example.com> <answer@example.com>');
});

test('a header cannot be smuggled in', async (t) => {
  const { api, failing } = await gmail(t);
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ subject: 'Hello\r\nBcc: eve@example.com' }, /subject: holds a line break/],
    [{ subject: 'Hello\u2028' }, /subject: holds a line break/],
    [{ to: ['ada@example.com\r\nBcc: eve@example.com'] }, /to\.0: is not an address/],
    [{ to: ['"Ada\r\nBcc: eve@example.com" <ada@example.com>'] }, /to\.0: is not an address/],
    [{ cc: ['ada@example.com, eve@example.com'] }, /cc\.0: is not an address/],
    [{ bcc: ['Ada <ada@example.com> <eve@example.com>'] }, /bcc\.0: is not an address/],
    [{ to: ['undisclosed-recipients:;'] }, /to\.0: is not an address/],
    [{ attachments: [{ filename: 'a\r\nX: y', content: '' }] }, /attachments\.0\.filename: holds a line break/],
    [{ attachments: [{ filename: 'a', content: '', content_type: 'text/plain\r\nX: y' }] }, /content_type: is not a media type/],
  ];
  for (const [change, words] of refused) assert.match(await failing('send_message', { ...MAIL, ...change }), words);
  assert.deepEqual(api.asked, []);
});

test('a header of the message that is answered cannot be smuggled in either', async (t) => {
  const { api, call } = await gmail(t);
  api.fault = ({ id }, response) => {
    if (id !== 'get_message') return false;
    const headers = [
      { name: 'Message-ID', value: '<a@b>\r\nBcc: eve@example.com' },
      { name: 'Subject', value: 'Hi =?utf-8?Q?there=0D=0ABcc:_eve@example.com?=' },
      { name: 'From', value: 'Ada <ada@example.com>' },
    ];
    response.writeHead(200).end(JSON.stringify({ id: 'x', threadId: 'y', payload: { headers } }));
    return true;
  };
  await call('send_message', { reply_to_message_id: REPORT, text: 'x' });
  const { mail, source } = await handedOver(api.asked.at(-1)!);
  assert.equal(mail.bcc, undefined);
  assert.doesNotMatch(source, /^bcc:/im);
});

test('what a message lacks is named before Gmail is asked', async (t) => {
  const { api, failing } = await gmail(t);
  assert.match(await failing('send_message', { to: ['ada@example.com'], text: 'x' }), /needs a subject/);
  assert.match(await failing('send_message', { to: ['ada@example.com'], subject: 'x' }), /needs text or html/);
  assert.match(await failing('send_message', { to: [], subject: 'x', text: 'x' }), /needs a recipient/);
  const broken = { filename: 'a.bin', content: 'not base64!', encoding: 'base64' };
  assert.match(await failing('create_draft', { ...MAIL, attachments: [broken] }), /content of a\.bin is not base64/);
  assert.deepEqual(api.asked, []);
});

test('drafts are created, listed, read, replaced, sent and deleted', async (t) => {
  const { api, call, failing } = await gmail(t);
  const { draft_id, message_id } = await call('create_draft', MAIL);
  const { drafts } = await call('list_drafts', { query: 'subject:Hello' });
  assert.deepEqual(drafts.map((one: any) => [one.draft_id, one.message.id, one.message.subject]), [[draft_id, message_id, 'Hello']]);
  assert.equal((await call('read_message', { message_id })).to, 'ada@example.com');
  const replaced = await call('update_draft', { draft_id, ...MAIL, reply_to_message_id: REPORT, subject: 'Re: The über report' });
  assert.equal(replaced.thread_id, '18c0000000000001');
  assert.equal((await handedOver(api.asked.at(-1)!)).mail.inReplyTo, '<report@example.com>');
  assert.deepEqual((await call('send_draft', { draft_id })).label_ids, ['SENT']);
  assert.match(await failing('send_draft', { draft_id }), /Gmail does not have this: Requested entity was not found\.$/);
  const another = await call('create_draft', MAIL);
  assert.deepEqual(await call('delete_draft', { draft_id: another.draft_id }), { deleted: another.draft_id });
  assert.deepEqual((await call('list_drafts')).drafts, []);
});
