import { defineTool, type Call } from '@minimcp/runtime';
import { path } from '@minimcp/runtime/rest';
import * as z from 'zod';
import { ask } from './client.ts';
import { compose, outgoing } from './compose.ts';
import type { Credentials } from './credentials.ts';
import { each, id, nextPageToken, pageArguments, Summary, summaryOf, VendorMessage } from './messages.ts';
import { Sent, sentOf, VendorSent } from './send-message.ts';

const VendorDraft = z.object({ id: z.string(), message: z.object({ id: z.string(), threadId: z.string() }) });
const Draft = z.object({ draft_id: z.string(), message_id: z.string(), thread_id: z.string() });

const draft_id = id.describe('As list_drafts or create_draft gives it');

export const listDrafts = defineTool({
  name: 'list_drafts',
  title: 'List drafts',
  description: 'Lists drafts. read_message reads one by its message.id. Follow next_page_token for more.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    query: z.string().min(1).max(2000).optional().describe('In the language of the search field of Gmail'),
    ...pageArguments,
  }),
  output: z.object({
    drafts: z.array(z.object({ draft_id: z.string(), message: Summary })),
    next_page_token: nextPageToken,
  }),
  run: async ({ query: q, max_results, page_token }, call: Call<Credentials>) => {
    const query = { q, maxResults: max_results, pageToken: page_token };
    const listed = z.object({ drafts: z.array(z.object({ id: z.string() })).optional(), nextPageToken: z.string().optional() });
    const { drafts = [], nextPageToken } = await ask(call, { path: '/drafts', query, purpose: 'readDrafts' }, listed);
    const schema = z.object({ id: z.string(), message: VendorMessage });
    const found = await each(drafts.map(({ id }) => id), (one) =>
      ask(call, { path: path`/drafts/${one}`, query: { format: 'metadata' }, purpose: 'readDrafts' }, schema),
    );
    const shown = found.map(({ id, message }) => ({ draft_id: id, message: summaryOf(message) }));
    return { drafts: shown, next_page_token: nextPageToken ?? null };
  },
});

export const createDraft = defineTool({
  name: 'create_draft',
  title: 'Create a draft',
  description: 'Writes a draft for the user to look at, or for send_draft. Calling it twice writes two.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false },
  input: z.object(outgoing),
  output: Draft,
  run: async (args, call: Call<Credentials>) => {
    const json = { message: await compose(call, args) };
    return draftOf(await ask(call, { method: 'POST', path: '/drafts', json, purpose: 'writeDrafts' }, VendorDraft));
  },
});

export const updateDraft = defineTool({
  name: 'update_draft',
  title: 'Replace a draft',
  description: 'Replaces the whole of a draft; what is not given again is gone.',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
  input: z.object({ draft_id, ...outgoing }),
  output: Draft,
  run: async ({ draft_id, ...message }, call: Call<Credentials>) => {
    const request = { method: 'PUT', path: path`/drafts/${draft_id}`, purpose: 'writeDrafts' } as const;
    return draftOf(await ask(call, { ...request, json: { message: await compose(call, message) } }, VendorDraft));
  },
});

export const sendDraft = defineTool({
  name: 'send_draft',
  title: 'Send a draft',
  description: 'Sends a draft as it is. It is a draft no longer.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false },
  input: z.object({ draft_id }),
  output: Sent,
  run: async ({ draft_id }, call: Call<Credentials>) => {
    const request = { method: 'POST', path: '/drafts/send', json: { id: draft_id }, purpose: 'writeDrafts' } as const;
    return sentOf(await ask(call, request, VendorSent));
  },
});

export const deleteDraft = defineTool({
  name: 'delete_draft',
  title: 'Delete a draft',
  description: 'Deletes a draft at once and for good; it does not go to the trash.',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
  input: z.object({ draft_id }),
  output: z.object({ deleted: z.string().describe('The id of the draft') }),
  run: async ({ draft_id }, call: Call<Credentials>) => {
    const request = { method: 'DELETE', path: path`/drafts/${draft_id}`, purpose: 'writeDrafts' } as const;
    // The answer is empty.
    await ask(call, request, z.unknown());
    return { deleted: draft_id };
  },
});

function draftOf({ id, message }: z.infer<typeof VendorDraft>): z.infer<typeof Draft> {
  return { draft_id: id, message_id: message.id, thread_id: message.threadId };
}
