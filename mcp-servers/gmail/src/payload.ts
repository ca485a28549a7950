import * as z from 'zod';
import { decoded, htmlText } from './text.ts';

/** A part of a message, as Gmail takes it apart. Contents are base64url, without their transfer encoding. */
export interface Part {
  partId?: string | undefined;
  mimeType?: string | undefined;
  filename?: string | undefined;
  headers?: { name: string; value: string }[] | undefined;
  body?: { size?: number | undefined; data?: string | undefined; attachmentId?: string | undefined } | undefined;
  parts?: Part[] | undefined;
}

export const Part: z.ZodType<Part> = z.object({
  partId: z.string().optional(),
  mimeType: z.string().optional(),
  filename: z.string().optional(),
  headers: z.array(z.object({ name: z.string(), value: z.string() })).optional(),
  body: z
    .object({ size: z.number().optional(), data: z.string().optional(), attachmentId: z.string().optional() })
    .optional(),
  parts: z.array(z.lazy(() => Part)).optional(),
});

/** Something to fetch with get_attachment. */
export const Attachment = z.object({
  part_id: z.string().describe('For get_attachment'),
  filename: z.string(),
  mime_type: z.string(),
  size: z.int().describe('In bytes'),
});

/** What a reader sees of a message, and how it came to be text. */
export interface Body {
  text: string;
  type: 'text' | 'html' | 'text_from_html' | 'none';
}

/** The value of a header; names are compared without regard to case. */
export function header(part: Part, name: string): string | undefined {
  return part.headers?.find((one) => one.name.toLowerCase() === name.toLowerCase())?.value;
}

/** Every part, from the outside in. */
export function* allParts(part: Part): Generator<Part> {
  yield part;
  for (const inner of part.parts ?? []) yield* allParts(inner);
}

/** What is not part of the text: files, pictures in the text, messages that were forwarded whole. */
export function attachments(message: Part): z.infer<typeof Attachment>[] {
  return [...allParts(message)].filter(isAttachment).map((part) => ({
    part_id: part.partId ?? '',
    filename: part.filename ?? '',
    mime_type: part.mimeType ?? 'application/octet-stream',
    size: part.body?.size ?? 0,
  }));
}

/** @param prefer of two versions of the same text, the one to take; `text` makes text of HTML where there is only that */
export async function bodyOf(message: Part, prefer: 'text' | 'html'): Promise<Body> {
  const segments = textsOf(message, prefer);
  if (segments.length === 0) return { text: '', type: 'none' };
  const html = segments.some(({ mimeType }) => mimeType === 'text/html');
  if (!html || prefer === 'html') return { text: segments.map(textOf).join('\n'), type: html ? 'html' : 'text' };
  const texts = segments.map((part) => (part.mimeType === 'text/html' ? htmlText(textOf(part)) : textOf(part)));
  return { text: (await Promise.all(texts)).join('\n'), type: 'text_from_html' };
}

function textsOf(part: Part, prefer: 'text' | 'html'): Part[] {
  if (isAttachment(part)) return [];
  if (part.parts === undefined || part.parts.length === 0) return isText(part) ? [part] : [];
  const inner = part.parts.map((one) => textsOf(one, prefer)).filter((texts) => texts.length > 0);
  if (part.mimeType !== 'multipart/alternative') return inner.flat();
  const wanted = prefer === 'text' ? 'text/plain' : 'text/html';
  return inner.find((texts) => texts.some(({ mimeType }) => mimeType === wanted)) ?? inner.at(-1) ?? [];
}

function isAttachment(part: Part): boolean {
  if (part.mimeType?.startsWith('multipart/')) return false;
  const named = Boolean(part.filename) || /^attachment\b/i.test(header(part, 'Content-Disposition') ?? '');
  // Gmail puts what is large aside, texts too.
  return named || part.mimeType === 'message/rfc822' || part.body?.attachmentId !== undefined || hasForeignContent(part);
}

function hasForeignContent(part: Part): boolean {
  return part.body?.data !== undefined && part.body.data !== '' && !isText(part);
}

function isText({ mimeType }: Part): boolean {
  return mimeType === 'text/plain' || mimeType === 'text/html';
}

function textOf(part: Part): string {
  return decoded(Buffer.from(part.body?.data ?? '', 'base64url'), charsetOf(part)).replaceAll('\r\n', '\n');
}

/** The charset that the header of a part names. */
export function charsetOf(part: Part): string | undefined {
  return /charset\s*=\s*"?([^\s";]+)/i.exec(header(part, 'Content-Type') ?? '')?.[1];
}
