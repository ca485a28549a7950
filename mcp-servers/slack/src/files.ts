import { defineTool, Failure, type Call } from '@minimcp/runtime';
import type { FilesCompleteUploadExternalArguments } from '@slack/web-api';
import * as z from 'zod';
import { channel } from './channels.ts';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { timestamp } from './messages.ts';
import { nextPage, pageAfter, pageArguments, Paging } from './paging.ts';
import { download, MAX_BYTES, upload } from './transfer.ts';

const File = z.object({
  id: z.string(),
  name: z.string().nullish().describe('Null for files that Slack hides or that were deleted'),
  title: z.string().nullish(),
  mimetype: z.string().optional(),
  size: z.int().optional().describe('In bytes'),
  user: z.string().optional(),
  created: z.int().optional().describe('Seconds since 1970'),
  permalink: z.string().optional(),
});

const StoredFile = File.extend({
  is_external: z.boolean().optional(),
  url_private: z.string().optional(),
  url_private_download: z.string().optional(),
});

export const listFiles = defineTool({
  name: 'list_files',
  title: 'List files',
  description: 'Lists the files the bot can see, newest first, of all channels or of one, of everybody or of one user.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    channel: channel.optional(),
    user: z.string().min(1).optional().describe('The id of who uploaded them'),
    ...pageArguments,
  }),
  output: z.object({ files: z.array(File), next_page: nextPage }),
  run: async (args, call: Call<Credentials>) => {
    const answer = await ask(call, 'files.list', args, z.object({ files: z.array(File), paging: Paging }));
    return { files: answer.files, next_page: pageAfter(answer.paging) };
  },
});

export const readFile = defineTool({
  name: 'read_file',
  title: 'Read a file',
  description: 'Reads a file of up to 1 MB. What is not text comes as base64.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({ file: z.string().min(1).describe('The id of the file') }),
  output: File.extend({ encoding: z.enum(['utf-8', 'base64']), content: z.string() }),
  run: async ({ file: id }, call: Call<Credentials>) => {
    const { file } = await ask(call, 'files.info', { file: id }, z.object({ file: StoredFile }));
    const url = file.url_private_download ?? file.url_private;
    if (file.is_external || url === undefined) {
      throw new Failure('invalid', `This file is not kept by Slack; it is at ${file.permalink ?? 'an unknown place'}`);
    }
    const size = file.size ?? 0;
    if (size > MAX_BYTES) throw new Failure('invalid', `The file has ${size} bytes, and at most ${MAX_BYTES} are read`);
    const bytes = await download(call, url);
    return { ...File.parse(file), ...decoded(bytes) };
  },
});

export const uploadFile = defineTool({
  name: 'upload_file',
  title: 'Upload a file',
  description: 'Uploads a file and shares it in a channel or thread; without a channel only the bot sees it.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false },
  input: z.object({
    filename: z.string().min(1).max(255),
    content: z.string().min(1).max(2_000_000),
    encoding: z.enum(['utf-8', 'base64']).default('utf-8').describe('How content is written; base64 for what is not text'),
    title: z.string().min(1).optional(),
    channel: channel.optional(),
    thread_ts: timestamp.optional().describe('Share it in the thread of the message with this ts'),
    initial_comment: z.string().min(1).optional().describe('What to say with the file'),
  }),
  output: z.object({ id: z.string(), title: z.string().optional(), shared_in: z.string().optional() }),
  run: async ({ filename, content, encoding, title, ...share }, call: Call<Credentials>) => {
    if (share.channel === undefined && (share.thread_ts ?? share.initial_comment) !== undefined) {
      throw new Failure('invalid', 'thread_ts and initial_comment need channel');
    }
    if (encoding === 'base64' && !z.base64().safeParse(content).success) {
      throw new Failure('invalid', 'content is not base64');
    }
    const bytes = Buffer.from(content, encoding);
    const place = await ask(
      call,
      'files.getUploadURLExternal',
      { filename, length: bytes.length },
      z.object({ upload_url: z.url(), file_id: z.string() }),
    );
    await upload(call, place.upload_url, bytes);
    const { channel: channel_id, ...rest } = share;
    const completion = { files: [{ id: place.file_id, title: title ?? filename }], channel_id, ...rest };
    const { files } = await ask(
      call,
      'files.completeUploadExternal',
      completion as FilesCompleteUploadExternalArguments,
      z.object({ files: z.array(z.object({ id: z.string(), title: z.string().optional() })).min(1) }),
    );
    return { ...files[0]!, shared_in: channel_id };
  },
});

function decoded(bytes: Buffer): { encoding: 'utf-8' | 'base64'; content: string } {
  try {
    return { encoding: 'utf-8', content: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { encoding: 'base64', content: bytes.toString('base64') };
  }
}
