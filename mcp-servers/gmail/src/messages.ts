import { Failure, type Call } from '@minimcp/runtime';
import { path } from '@minimcp/runtime/rest';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { Attachment, attachments, bodyOf, header, Part } from './payload.ts';
import { headerText, snippetText } from './text.ts';

/** How many messages are fetched at once: Gmail limits what runs side by side for one user. */
const AT_ONCE = 5;

/** The id of a message, a thread, a draft or a label. */
export const id = z.string().regex(/^[\w-]{1,100}$/, 'is not an id of Gmail');

/** The arguments of a tool that lists in pages. */
export const pageArguments = {
  max_results: z.int().min(1).max(100).default(20).describe('How many on a page, at most 100'),
  page_token: z.string().min(1).max(500).optional().describe('next_page_token of the page before'),
};

/** What such a tool says of the pages that follow. */
export const nextPageToken = z.string().nullable().describe('For the page that follows; null on the last one');

/** A message as Gmail gives it. */
export const VendorMessage = z.object({
  id: z.string(),
  threadId: z.string(),
  labelIds: z.array(z.string()).optional(),
  snippet: z.string().optional(),
  internalDate: z.string().regex(/^\d{1,15}$/).optional(),
  payload: Part.optional(),
});
export type VendorMessage = z.infer<typeof VendorMessage>;

/** A message in a list. */
export const Summary = z.object({
  id: z.string(),
  thread_id: z.string(),
  date: z.string().nullable().describe('When Gmail received it, in UTC'),
  from: z.string(),
  to: z.string(),
  subject: z.string(),
  snippet: z.string(),
  label_ids: z.array(z.string()),
});

/** A message by itself. */
export const Message = Summary.extend({
  cc: z.string(),
  bcc: z.string(),
  reply_to: z.string(),
  body: z.string(),
  body_type: z.enum(['text', 'html', 'text_from_html', 'none']),
  body_truncated: z.boolean(),
  attachments: z.array(Attachment),
});

/** Which headers a summary is made of. */
const SUMMARY_HEADERS = ['From', 'To', 'Subject'];

export function summaryOf(message: VendorMessage): z.infer<typeof Summary> {
  const said = (name: string) => headerText(header(message.payload ?? {}, name) ?? '');
  return {
    id: message.id,
    thread_id: message.threadId,
    date: message.internalDate === undefined ? null : new Date(Number(message.internalDate)).toISOString(),
    from: said('From'),
    to: said('To'),
    subject: said('Subject'),
    snippet: snippetText(message.snippet ?? ''),
    label_ids: message.labelIds ?? [],
  };
}

/** @param maxCharacters where the body is cut off */
export async function messageOf(
  message: VendorMessage,
  prefer: 'text' | 'html',
  maxCharacters: number,
): Promise<z.infer<typeof Message>> {
  const payload = message.payload ?? {};
  const said = (name: string) => headerText(header(payload, name) ?? '');
  const { text, type } = await bodyOf(payload, prefer);
  return {
    ...summaryOf(message),
    cc: said('Cc'),
    bcc: said('Bcc'),
    reply_to: said('Reply-To'),
    body: text.slice(0, maxCharacters),
    body_type: type,
    body_truncated: text.length > maxCharacters,
    attachments: attachments(payload),
  };
}

/** Reads a message with everything but the contents of large parts. */
export function fetchMessage(call: Call<Credentials>, messageId: string): Promise<VendorMessage> {
  const request = { path: path`/messages/${messageId}`, query: { format: 'full' }, purpose: 'read' as const };
  return ask(call, request, VendorMessage);
}

/** Summaries in the order of `ids`. A message that has gone since it was listed is left out. */
export async function summaries(call: Call<Credentials>, ids: readonly string[]): Promise<z.infer<typeof Summary>[]> {
  const query = { format: 'metadata', metadataHeaders: SUMMARY_HEADERS };
  const found = await each(ids, (one) => ask(call, { path: path`/messages/${one}`, query, purpose: 'read' }, VendorMessage));
  return found.map(summaryOf);
}

/**
 * What `fetch` makes of each id, a few at once; ids that are not there any more are left out.
 * @throws what `fetch` throws first; what has not begun by then does not begin
 */
export async function each<T>(ids: readonly string[], fetch: (one: string) => Promise<T>): Promise<T[]> {
  const results: (T | undefined)[] = [];
  const waiting = [...ids.entries()].reverse();
  const work = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [index, one] = next;
      results[index] = await fetch(one).catch((error: unknown) => {
        if (error instanceof Failure && error.kind === 'not_found') return undefined;
        waiting.length = 0;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results.filter((result) => result !== undefined);
}
