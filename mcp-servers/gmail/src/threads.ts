import { defineTool, type Call } from '@minimcp/runtime';
import { path } from '@minimcp/runtime/rest';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { each, id, Message, messageOf, nextPageToken, pageArguments, summaryOf, VendorMessage } from './messages.ts';

/** What all bodies of a thread may hold together, in characters: an agent reads them at once. */
const MAX_THREAD = 200_000;

const Listed = z.object({ threads: z.array(z.object({ id: z.string() })).optional(), nextPageToken: z.string().optional() });
const VendorThread = z.object({ id: z.string(), messages: z.array(VendorMessage).min(1) });

const annotations = { readOnlyHint: true, destructiveHint: false, idempotentHint: true };

export const listThreads = defineTool({
  name: 'list_threads',
  title: 'List threads',
  description: 'Lists conversations, the newest first, all or those that match a search. Follow next_page_token for more.',
  annotations,
  input: z.object({
    query: z.string().min(1).max(2000).optional().describe('In the language of the search field of Gmail'),
    label_ids: z.array(id).max(20).optional().describe('Only threads with all of these labels'),
    include_spam_trash: z.boolean().default(false).describe('Look into Spam and Trash too'),
    ...pageArguments,
  }),
  output: z.object({
    threads: z.array(
      z.object({
        id: z.string(),
        subject: z.string(),
        participants: z.array(z.string()).describe('Who wrote'),
        messages: z.int(),
        last_date: z.string().nullable().describe('Of the newest message, in UTC'),
        snippet: z.string().describe('Of the newest message'),
      }),
    ),
    next_page_token: nextPageToken,
  }),
  run: async ({ query: q, label_ids, include_spam_trash, max_results, page_token }, call: Call<Credentials>) => {
    const query = { q, labelIds: label_ids, includeSpamTrash: include_spam_trash, maxResults: max_results, pageToken: page_token };
    const { threads = [], nextPageToken } = await ask(call, { path: '/threads', query, purpose: 'read' }, Listed);
    const headers = { format: 'metadata', metadataHeaders: ['From', 'Subject'] };
    const found = await each(threads.map(({ id }) => id), (one) => fetchThread(call, one, headers));
    return { threads: found.map(threadOf), next_page_token: nextPageToken ?? null };
  },
});

export const readThread = defineTool({
  name: 'read_thread',
  title: 'Read a thread',
  description: 'Reads a whole conversation, the oldest message first.',
  annotations,
  input: z.object({
    thread_id: id,
    max_characters: z.int().min(1).max(MAX_THREAD).default(20_000).describe('Where the body of each message is cut off'),
  }),
  output: z.object({ id: z.string(), messages: z.array(Message) }),
  run: async ({ thread_id, max_characters }, call: Call<Credentials>) => {
    const thread = await fetchThread(call, thread_id, { format: 'full' });
    const messages: z.infer<typeof Message>[] = [];
    let left = MAX_THREAD;
    for (const one of thread.messages) {
      const message = await messageOf(one, 'text', Math.min(max_characters, left));
      left -= message.body.length;
      messages.push(message);
    }
    return { id: thread.id, messages };
  },
});

function fetchThread(call: Call<Credentials>, thread: string, query: { format: string; metadataHeaders?: string[] }) {
  return ask(call, { path: path`/threads/${thread}`, query, purpose: 'read' }, VendorThread);
}

function threadOf({ id, messages }: z.infer<typeof VendorThread>) {
  const all = messages.map(summaryOf);
  const { date, snippet } = all.at(-1)!;
  const participants = [...new Set(all.map(({ from }) => from))];
  return { id, subject: all[0]!.subject, participants, messages: all.length, last_date: date, snippet };
}
