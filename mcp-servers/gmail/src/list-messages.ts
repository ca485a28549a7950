import { defineTool, type Call } from '@minimcp/runtime';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { id, nextPageToken, pageArguments, summaries, Summary } from './messages.ts';

const Listed = z.object({
  messages: z.array(z.object({ id: z.string() })).optional(),
  nextPageToken: z.string().optional(),
});

const output = z.object({ messages: z.array(Summary), next_page_token: nextPageToken });
const annotations = { readOnlyHint: true, destructiveHint: false, idempotentHint: true };
const withSpam = z.boolean().default(false).describe('Look into Spam and Trash too');

export const listMessages = defineTool({
  name: 'list_messages',
  title: 'List messages',
  description: 'Lists messages, the newest first, of the whole mailbox or with all of some labels. Follow next_page_token for more.',
  annotations,
  input: z.object({
    label_ids: z.array(id).max(20).default(['INBOX']).describe('Only messages with all of these; an empty list for all'),
    include_spam_trash: withSpam,
    ...pageArguments,
  }),
  output,
  run: ({ label_ids, ...paging }, call: Call<Credentials>) => list(call, { labelIds: label_ids }, paging),
});

export const searchMessages = defineTool({
  name: 'search_messages',
  title: 'Search messages',
  description: 'Searches messages, the newest first, in the language of the search field of Gmail. Follow next_page_token for more.',
  annotations,
  input: z.object({
    query: z.string().min(1).max(2000).describe('Such as: from:ada@example.com is:unread after:2026/10/01 "exact words"'),
    include_spam_trash: withSpam,
    ...pageArguments,
  }),
  output,
  run: ({ query, ...paging }, call: Call<Credentials>) => list(call, { q: query }, paging),
});

type Paging = { include_spam_trash: boolean; max_results: number; page_token?: string | undefined };

async function list(call: Call<Credentials>, filter: { labelIds?: string[]; q?: string }, paging: Paging) {
  const { include_spam_trash, max_results, page_token } = paging;
  const query = { ...filter, includeSpamTrash: include_spam_trash, maxResults: max_results, pageToken: page_token };
  const { messages = [], nextPageToken } = await ask(call, { path: '/messages', query, purpose: 'read' }, Listed);
  return { messages: await summaries(call, messages.map(({ id }) => id)), next_page_token: nextPageToken ?? null };
}
