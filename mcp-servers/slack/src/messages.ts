import { defineTool, Failure, type Call } from '@minimcp/runtime';
import type { ChatPostMessageArguments } from '@slack/web-api';
import * as z from 'zod';
import { channel } from './channels.ts';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { continuation, Continued, cursorArguments, nextCursor } from './paging.ts';

/** The longest Markdown Slack takes, in characters. */
const MAX_MARKDOWN = 12_000;

/** The argument that names a message within its channel. */
export const timestamp = z
  .string()
  .regex(/^\d+\.\d+$/, 'is not the ts of a message, such as "1700000001.123456"')
  .describe('The ts of the message, which names it within its channel');

export const Message = z.object({
  ts: z.string(),
  text: z.string().optional(),
  user: z.string().optional(),
  bot_id: z.string().optional(),
  username: z.string().optional(),
  subtype: z.string().optional(),
  thread_ts: z.string().optional().describe('The ts of the message the thread began with'),
  reply_count: z.int().optional(),
  reactions: z.array(z.object({ name: z.string(), count: z.int() })).optional(),
  files: z.array(z.object({ id: z.string(), name: z.string().nullish(), mimetype: z.string().optional() })).optional(),
  attachments: z
    .array(z.object({ title: z.string().optional(), text: z.string().optional(), fallback: z.string().optional() }))
    .optional(),
});

const Messages = Continued.extend({ messages: z.array(Message) });

export const sendMessage = defineTool({
  name: 'send_message',
  title: 'Send a message',
  description: 'Sends a message to a channel, a person or a thread. Calling it twice sends two messages.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false },
  input: z.object({
    channel: z
      .string()
      .min(1)
      .describe('The id of a channel, or of a user for a direct message'),
    text: z.string().min(1).max(40_000).describe('What to say; with blocks, what notifications show'),
    format: z
      .enum(['mrkdwn', 'markdown', 'plain'])
      .default('mrkdwn')
      .describe("How the text is written: Slack's own mrkdwn, standard Markdown (at most 12000 characters), or as it is"),
    blocks: z.array(z.looseObject({ type: z.string() })).max(50).optional().describe('Block Kit; not with markdown'),
    thread_ts: timestamp.optional().describe('Answer in the thread of the message with this ts'),
    reply_broadcast: z.boolean().optional().describe('Show an answer in a thread also in the channel'),
    unfurl_links: z.boolean().optional().describe('Show previews of links'),
    unfurl_media: z.boolean().optional().describe('Show previews of images and videos; they are shown if left out'),
  }),
  output: z.object({ channel: z.string(), ts: z.string(), thread_ts: z.string().optional() }),
  run: async ({ text, format, blocks, reply_broadcast, ...rest }, call: Call<Credentials>) => {
    if (reply_broadcast && rest.thread_ts === undefined) throw new Failure('invalid', 'reply_broadcast needs thread_ts');
    if (format === 'markdown' && blocks) throw new Failure('invalid', 'blocks and format markdown exclude each other');
    if (format === 'markdown' && text.length > MAX_MARKDOWN) {
      throw new Failure('invalid', `text has ${text.length} characters, and Slack takes ${MAX_MARKDOWN} of markdown`);
    }
    const said = format === 'markdown' ? { markdown_text: text } : { text, mrkdwn: format === 'mrkdwn', blocks };
    const message = { ...rest, ...said, reply_broadcast } as ChatPostMessageArguments;
    const { message: posted, ...sent } = await ask(
      call,
      'chat.postMessage',
      message,
      z.object({ channel: z.string(), ts: z.string(), message: z.object({ thread_ts: z.string().optional() }) }),
    );
    return { ...sent, thread_ts: posted.thread_ts };
  },
});

export const getHistory = defineTool({
  name: 'get_history',
  title: 'Read a channel',
  description:
    'Reads the messages of a channel, newest first, without the answers in threads (see get_replies). Follow next_cursor for older ones. The bot has to be in the channel.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    channel,
    oldest: timestamp.optional().describe('Only after this time, as a ts: seconds since 1970 and a fraction'),
    latest: timestamp.optional().describe('Only before this time'),
    inclusive: z.boolean().optional().describe('Also messages of exactly these times'),
    ...cursorArguments,
  }),
  output: z.object({ messages: z.array(Message), next_cursor: nextCursor }),
  run: async (args, call: Call<Credentials>) => {
    const answer = await ask(call, 'conversations.history', args, Messages);
    return { messages: answer.messages, next_cursor: continuation(answer) };
  },
});

export const getReplies = defineTool({
  name: 'get_replies',
  title: 'Read a thread',
  description: 'Reads a thread of a channel: the message it began with, then the answers, oldest first.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    channel,
    ts: timestamp.describe('The ts of the message the thread began with'),
    oldest: timestamp.optional().describe('Only after this time, as a ts'),
    latest: timestamp.optional().describe('Only before this time'),
    ...cursorArguments,
  }),
  output: z.object({ messages: z.array(Message), next_cursor: nextCursor }),
  run: async (args, call: Call<Credentials>) => {
    const answer = await ask(call, 'conversations.replies', args, Messages);
    return { messages: answer.messages, next_cursor: continuation(answer) };
  },
});

export const addReaction = defineTool({
  name: 'add_reaction',
  title: 'React to a message',
  description: 'Adds an emoji of the bot to a message. Doing it again changes nothing.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true },
  input: z.object({
    channel,
    timestamp,
    name: z
      .string()
      .regex(/^:?[^\s:]+(::skin-tone-[2-6])?:?$/)
      .describe('The name of the emoji, such as thumbsup'),
  }),
  output: z.object({ added: z.boolean().describe('False if it was there before') }),
  run: async ({ name, ...message }, call: Call<Credentials>) => {
    const reaction = { ...message, name: name.replace(/^:|:$/g, '') };
    const Done = z.object({ ok: z.literal(true) });
    try {
      await ask(call, 'reactions.add', reaction, Done);
      return { added: true };
    } catch (error) {
      if (error instanceof Failure && error.message.endsWith('(already_reacted)')) return { added: false };
      throw error;
    }
  },
});
