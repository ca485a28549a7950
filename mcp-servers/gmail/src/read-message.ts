import { defineTool, type Call } from '@minimcp/runtime';
import * as z from 'zod';
import type { Credentials } from './credentials.ts';
import { fetchMessage, id, Message, messageOf } from './messages.ts';

export const readMessage = defineTool({
  name: 'read_message',
  title: 'Read a message',
  description: 'Reads a message: its headers, its text and the list of its attachments. It stays unread if it was.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    message_id: id,
    format: z.enum(['text', 'html']).default('text').describe('text makes text of HTML where there is no other'),
    max_characters: z.int().min(1).max(500_000).default(50_000).describe('Where the body is cut off'),
  }),
  output: Message,
  run: async ({ message_id, format, max_characters }, call: Call<Credentials>) =>
    messageOf(await fetchMessage(call, message_id), format, max_characters),
});
