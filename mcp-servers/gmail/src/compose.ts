import { randomUUID } from 'node:crypto';
import { Failure, type Call } from '@minimcp/runtime';
import { path } from '@minimcp/runtime/rest';
import * as z from 'zod';
import { address, parsedAddress } from './addresses.ts';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { id, VendorMessage } from './messages.ts';
import { header } from './payload.ts';
import { headerText } from './text.ts';

/** Text of a header. A line break would begin a header of the caller's own. */
const line = z.string().max(998).regex(/^[^\p{Cc}\u2028\u2029]*$/u, 'holds a line break or another control character');

const addresses = z.array(address).max(100);

const File = z.object({
  filename: line.min(1).max(255),
  content_type: z.string().regex(/^[\w.+-]+\/[\w.+-]+$/, 'is not a media type').optional().describe('Told from the name if left out'),
  content: z.string(),
  encoding: z.enum(['utf-8', 'base64']).default('utf-8').describe('How content is to be read'),
});

/** The arguments of a tool that writes a message. */
export const outgoing = {
  to: addresses.optional().describe('Such as ada@example.com or Ada <ada@example.com>; a reply goes to who wrote if left out'),
  cc: addresses.optional(),
  bcc: addresses.optional(),
  subject: line.optional().describe('Needed, but for a reply'),
  text: z.string().max(2_000_000).optional().describe('Plain text. One of text and html is needed; both are two versions of the same'),
  html: z.string().max(2_000_000).optional(),
  attachments: z.array(File).max(20).optional().describe('About 3 MB together at most'),
  reply_to_message_id: id.optional().describe('Makes this a reply in the thread of that message'),
};

export type Outgoing = z.infer<z.ZodObject<typeof outgoing>>;

/** A message as Gmail takes it. */
export interface Raw {
  /** RFC 5322 in base64url. */
  raw: string;
  threadId?: string;
}

/**
 * Makes a message of the arguments, for which a reply reads the headers of what it answers.
 * @throws Failure
 */
export async function compose(call: Call<Credentials>, message: Outgoing): Promise<Raw> {
  const answered = message.reply_to_message_id === undefined ? null : await thread(call, message.reply_to_message_id);
  const subject = message.subject ?? answered?.subject;
  const to = message.to ?? answered?.to;
  if (subject === undefined) throw new Failure('invalid', 'The message needs a subject');
  if (message.text === undefined && message.html === undefined) throw new Failure('invalid', 'The message needs text or html');
  if (![to, message.cc, message.bcc].some((list) => list?.length)) throw new Failure('invalid', 'The message needs a recipient');
  // Loaded when it is first needed: it costs time at the start.
  const { default: MailComposer } = await import('nodemailer/lib/mail-composer');
  const mail = new MailComposer({
    to: to?.map(parsedAddress),
    cc: message.cc?.map(parsedAddress),
    bcc: message.bcc?.map(parsedAddress),
    subject,
    text: message.text,
    html: message.html,
    attachments: message.attachments?.map(file),
    inReplyTo: answered?.messageId,
    references: answered?.references,
    // Its own would name this machine.
    messageId: `<${randomUUID()}@mail.gmail.com>`,
    disableFileAccess: true,
    disableUrlAccess: true,
  }).compile();
  // Gmail reads the blind copies from the header and takes it out.
  mail.keepBcc = true;
  const raw = (await mail.build()).toString('base64url');
  return answered === null ? { raw } : { raw, threadId: answered.threadId };
}

/** What a reply takes from the message it answers: RFC 5322, section 3.6.4. */
async function thread(call: Call<Credentials>, messageId: string) {
  const query = { format: 'metadata', metadataHeaders: ['Message-ID', 'References', 'In-Reply-To', 'Subject', 'From', 'Reply-To'] };
  const { threadId, payload = {} } = await ask(call, { path: path`/messages/${messageId}`, query, purpose: 'read' }, VendorMessage);
  const ids = (name: string) => header(payload, name)?.match(/<[^<>\s]+>/g) ?? [];
  const [own] = ids('Message-ID');
  const before = ids('References').length > 0 ? ids('References') : ids('In-Reply-To').slice(0, 1);
  const subject = headerText(header(payload, 'Subject') ?? '');
  const author = headerText(header(payload, 'Reply-To') ?? header(payload, 'From') ?? '');
  return {
    threadId,
    messageId: own,
    references: own === undefined ? before : [...before, own],
    subject: /^re:/i.test(subject) ? subject : `Re: ${subject}`,
    to: address.safeParse(author).success ? [author] : undefined,
  };
}

function file({ filename, content_type, content, encoding }: z.infer<typeof File>) {
  if (encoding === 'base64' && !/^[\w+/-]*={0,2}$/.test(content.replace(/\s+/g, ''))) {
    throw new Failure('invalid', `The content of ${filename} is not base64`);
  }
  return { filename, content: Buffer.from(content, encoding), contentType: content_type };
}
