import { defineTool, Failure, type Call } from '@minimcp/runtime';
import { path } from '@minimcp/runtime/rest';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { id } from './messages.ts';

const Labels = z.object({ labels: z.array(z.object({ id: z.string(), name: z.string(), type: z.string().optional() })) });

export const listLabels = defineTool({
  name: 'list_labels',
  title: 'List labels',
  description: 'Lists the labels of the mailbox: those of Gmail itself (type system) and those of the user.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({}),
  output: Labels,
  run: (_args, call: Call<Credentials>) => ask(call, { path: '/labels', purpose: 'listLabels' }, Labels),
});

export const modifyLabels = defineTool({
  name: 'modify_labels',
  title: 'Add and remove labels',
  description: 'Adds labels to a message and removes others. Removing INBOX archives it; removing UNREAD marks it as read.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true },
  input: z.object({
    message_id: id,
    add: z.array(id).max(100).default([]).describe('Ids of labels, as list_labels gives them'),
    remove: z.array(id).max(100).default([]).describe('Ids of labels'),
  }),
  output: z.object({ id: z.string(), thread_id: z.string(), label_ids: z.array(z.string()) }),
  run: async ({ message_id, add, remove }, call: Call<Credentials>) => {
    if (add.length + remove.length === 0) throw new Failure('invalid', 'Nothing to do: give labels to add or to remove');
    const schema = z.object({ id: z.string(), threadId: z.string(), labelIds: z.array(z.string()).default([]) });
    const json = { addLabelIds: add, removeLabelIds: remove };
    const request = { method: 'POST', path: path`/messages/${message_id}/modify`, json, purpose: 'modifyLabels' } as const;
    const { id, threadId, labelIds } = await ask(call, request, schema);
    return { id, thread_id: threadId, label_ids: labelIds };
  },
});
