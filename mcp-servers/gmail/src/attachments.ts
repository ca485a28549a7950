import { defineTool, Failure, type Call } from '@minimcp/runtime';
import { path } from '@minimcp/runtime/rest';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { fetchMessage, id } from './messages.ts';
import { allParts, charsetOf } from './payload.ts';
import { strictly } from './text.ts';

/** The largest attachment that is handed on, in bytes: an agent reads it at once. */
const MAX_BYTES = 2 * 1024 * 1024;

const AttachmentBody = z.object({ data: z.string() });

export const getAttachment = defineTool({
  name: 'get_attachment',
  title: 'Get an attachment',
  description: 'Gets an attachment of at most 2 MiB, as text where it is text and in base64 otherwise.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    message_id: id,
    part_id: z
      .string()
      .regex(/^(\d+(\.\d+)*)?$/, 'is not the id of a part, such as 1 or 0.1')
      .describe('As read_message lists it'),
  }),
  output: z.object({
    filename: z.string(),
    mime_type: z.string(),
    size: z.int().describe('In bytes'),
    encoding: z.enum(['utf-8', 'base64']),
    content: z.string(),
  }),
  run: async ({ message_id, part_id }, call: Call<Credentials>) => {
    const { payload } = await fetchMessage(call, message_id);
    const part = [...allParts(payload ?? {})].find(({ partId }) => (partId ?? '') === part_id);
    const { size = 0, attachmentId, data } = part?.body ?? {};
    const absent = size > 0 && data === undefined && attachmentId === undefined;
    if (part === undefined || absent || part.mimeType?.startsWith('multipart/')) {
      throw new Failure('not_found', `The message has no attachment ${part_id || 'without a number'}; read_message lists those it has`);
    }
    if (size > MAX_BYTES) throw new Failure('invalid', `The attachment has ${size} bytes, and ${MAX_BYTES} are the most`);
    const bytes = Buffer.from(data ?? (attachmentId === undefined ? '' : await fetchData(call, message_id, attachmentId)), 'base64url');
    const { filename = '', mimeType = 'application/octet-stream' } = part;
    const described = { filename, mime_type: mimeType, size: bytes.length };
    const text = isTextual(mimeType) ? (strictly(bytes, 'utf-8') ?? strictly(bytes, charsetOf(part))) : undefined;
    if (text !== undefined) return { ...described, encoding: 'utf-8' as const, content: text };
    return { ...described, encoding: 'base64' as const, content: bytes.toString('base64') };
  },
});

async function fetchData(call: Call<Credentials>, messageId: string, attachmentId: string): Promise<string> {
  const request = { path: path`/messages/${messageId}/attachments/${attachmentId}`, purpose: 'read' as const };
  return (await ask(call, request, AttachmentBody)).data;
}

function isTextual(mimeType: string): boolean {
  return /^text\/|^message\/|[/+](json|xml|yaml)$|^application\/(javascript|x-ndjson|sql)$/.test(mimeType);
}
