import { defineTool, Failure, type Call } from '@minimcp/runtime';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { nextPage, pageAfter, pageArguments, Paging } from './paging.ts';

const Match = z.object({
  ts: z.string(),
  text: z.string().optional(),
  user: z.string().nullish(),
  username: z.string().optional(),
  channel: z.object({ id: z.string(), name: z.string().optional() }),
  permalink: z.string().optional(),
});

export const searchMessages = defineTool({
  name: 'search_messages',
  title: 'Search messages',
  description:
    'Searches everything the user of the credential user_token can read, with the operators of the search field (in:#channel, from:@user, before:2026-01-31, "exact words").',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    query: z.string().min(1),
    sort: z.enum(['score', 'timestamp']).default('score'),
    sort_dir: z.enum(['asc', 'desc']).default('desc'),
    ...pageArguments,
  }),
  output: z.object({ total: z.int(), matches: z.array(Match), next_page: nextPage }),
  run: async (args, call: Call<Credentials>) => {
    const { user_token } = call.credentials;
    if (user_token === undefined) {
      throw new Failure(
        'forbidden',
        'Slack lets no bot search: store a user token (xoxp-) with the scope search:read as the credential user_token',
      );
    }
    const { messages } = await ask(
      call,
      'search.messages',
      args,
      z.object({ messages: z.object({ total: z.int(), matches: z.array(Match), paging: Paging }) }),
      user_token,
    );
    return { total: messages.total, matches: messages.matches, next_page: pageAfter(messages.paging) };
  },
});
