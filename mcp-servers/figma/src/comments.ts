import { defineTool, Failure, type Call } from '@minimcp/runtime';
import type { PostCommentRequestBody } from '@figma/rest-api-spec';
import { path } from '@minimcp/runtime/rest';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { file, fileReference, nodeId, withColons } from './references.ts';

const VendorComment = z.object({
  id: z.string(),
  message: z.string(),
  user: z.object({ handle: z.string() }),
  created_at: z.string(),
  resolved_at: z.string().nullish(),
  parent_id: z.string().nullish(),
  client_meta: z.looseObject({ node_id: z.string().optional() }).nullish(),
});

const Comment = z.object({
  id: z.string(),
  message: z.string().describe('Markdown'),
  user: z.string(),
  created_at: z.string(),
  resolved_at: z.string().nullable(),
  parent_id: z.string().nullable().describe('The comment this one replies to'),
  node_id: z.string().nullable().describe('The node it is pinned to'),
});

export const getComments = defineTool({
  name: 'get_comments',
  title: 'Get comments',
  description: 'Reads the comments on a file and the replies to them, the newest first.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    file,
    unresolved_only: z.boolean().default(false).describe('Leave out threads that are resolved'),
    page: z.int().min(1).default(1).describe('Which page, from 1'),
    per_page: z.int().min(1).max(100).default(50).describe('How many on a page, at most 100'),
  }),
  output: z.object({
    comments: z.array(Comment),
    total: z.int().describe('On all pages'),
    next_page: z.int().nullable().describe('The page to ask for next; null on the last one'),
  }),
  run: async ({ file, unresolved_only, page, per_page }, call: Call<Credentials>) => {
    const { key } = fileReference(file);
    const request = { path: path`/v1/files/${key}/comments`, query: { as_md: true } };
    // Figma gives all comments of a file at once.
    const { comments } = await ask(call, request, z.object({ comments: z.array(VendorComment) }));
    const resolved = new Set(comments.filter(({ resolved_at }) => resolved_at).map(({ id }) => id));
    const wanted = comments
      .filter(({ id, parent_id }) => !unresolved_only || !resolved.has(parent_id || id))
      .sort((a, b) => b.created_at.localeCompare(a.created_at));
    const end = page * per_page;
    return {
      comments: wanted.slice(end - per_page, end).map(shown),
      total: wanted.length,
      next_page: end < wanted.length ? page + 1 : null,
    };
  },
});

export const postComment = defineTool({
  name: 'post_comment',
  title: 'Post a comment',
  description: 'Writes a comment on a file, pinned to a node if one is named, or a reply. Calling it twice posts two.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false },
  input: z.object({
    file,
    message: z.string().min(1).max(10_000),
    reply_to: z.string().regex(/^\d+$/).optional().describe('The id of a comment that is not itself a reply'),
    node_id: nodeId.optional().describe('Pin it to the top left corner of this node; not for replies'),
  }),
  output: Comment,
  run: async ({ file, message, reply_to, node_id }, call: Call<Credentials>) => {
    const { key } = fileReference(file);
    if (node_id && reply_to) throw new Failure('invalid', 'A reply stands where its thread is; give reply_to or node_id');
    const pin = node_id ? { node_id: withColons(node_id), node_offset: { x: 0, y: 0 } } : undefined;
    const json = { message, comment_id: reply_to, client_meta: pin } satisfies PostCommentRequestBody;
    return shown(await ask(call, { method: 'POST', path: path`/v1/files/${key}/comments`, json }, VendorComment));
  },
});

function shown({ id, message, user, created_at, resolved_at, parent_id, client_meta }: z.infer<typeof VendorComment>) {
  return {
    id,
    message,
    user: user.handle,
    created_at,
    resolved_at: resolved_at || null,
    parent_id: parent_id || null,
    node_id: client_meta?.node_id ?? null,
  };
}
