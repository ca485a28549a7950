import { defineTool, type Call } from '@minimcp/runtime';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { continuation, Continued, cursorArguments, nextCursor } from './paging.ts';

/** The argument of every tool that is about one channel. */
export const channel = z
  .string()
  .regex(/^[CDG][A-Z0-9]{2,}$/, 'is not the id of a channel, such as C0123456789; list_channels gives them')
  .describe('The id of the channel, not its name');

const Text = z.object({ value: z.string() }).optional();

const Conversation = z.object({
  id: z.string(),
  name: z.string().optional(),
  user: z.string().optional(),
  is_private: z.boolean().optional(),
  is_archived: z.boolean().optional(),
  is_member: z.boolean().optional(),
  num_members: z.int().optional(),
  topic: Text,
  purpose: Text,
});

const Channel = Conversation.extend({
  name: z.string().optional().describe('Direct messages have none'),
  user: z.string().optional().describe('Who is at the other end of a direct message'),
  is_member: z.boolean().optional().describe('Whether the bot is in it and so can read and write'),
  topic: z.string().optional(),
  purpose: z.string().optional(),
});

export const listChannels = defineTool({
  name: 'list_channels',
  title: 'List channels',
  description:
    'Lists the channels the bot can see, with their ids and whether the bot is in them. Follow next_cursor for more. Kinds other than public_channel need scopes of their own: groups:read, im:read, mpim:read.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    types: z
      .array(z.enum(['public_channel', 'private_channel', 'mpim', 'im']))
      .min(1)
      .default(['public_channel']),
    exclude_archived: z.boolean().default(true),
    ...cursorArguments,
  }),
  output: z.object({ channels: z.array(Channel), next_cursor: nextCursor }),
  run: async ({ types, ...rest }, call: Call<Credentials>) => {
    const answer = await ask(
      call,
      'conversations.list',
      { types: types.join(','), ...rest },
      Continued.extend({ channels: z.array(Conversation) }),
    );
    const channels = answer.channels.map((one) => ({ ...one, topic: one.topic?.value, purpose: one.purpose?.value }));
    return { channels, next_cursor: continuation(answer) };
  },
});
