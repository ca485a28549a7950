import { defineTool, type Call } from '@minimcp/runtime';
import * as z from 'zod';
import type { Credentials } from './credentials.ts';
import { nextPage, pageArguments, repository } from './paging.ts';
import { actions, Merge, PullRequest, PullRequestDetails, Review } from './pull-requests.ts';

const Comment = z.object({
  path: z.string(),
  line: z.int().min(1).describe('The line of the file the comment is about'),
  side: z.enum(['LEFT', 'RIGHT']).default('RIGHT').describe('LEFT for a line that was removed'),
  body: z.string().min(1),
});

// One flat object: many clients do not accept a choice at the top of a schema. What an action needs beyond it is
// checked when it runs, and named in the error.
const Input = z.object({
  action: z.enum(['list', 'view', 'diff', 'create', 'review', 'merge']),
  ...repository,
  number: z.int().min(1).optional().describe('Of the pull request; for view, diff, review and merge'),
  state: z.enum(['open', 'closed', 'all']).default('open').describe('For list'),
  head: z.string().min(1).optional().describe('Branch with the changes (create), or user:branch to filter by (list)'),
  base: z.string().min(1).optional().describe('Branch to merge into (create), or to filter by (list)'),
  title: z.string().min(1).optional().describe('For create'),
  body: z.string().max(65_536).optional().describe('Markdown, for create and review'),
  draft: z.boolean().optional().describe('For create'),
  event: z.enum(['APPROVE', 'REQUEST_CHANGES', 'COMMENT']).optional().describe('The verdict of a review'),
  comments: z.array(Comment).max(100).optional().describe('Comments on lines, for review'),
  merge_method: z.enum(['merge', 'squash', 'rebase']).optional().describe("The repository's default if left out"),
  commit_title: z.string().optional().describe('For merge'),
  commit_message: z.string().optional().describe('For merge'),
  sha: z.string().optional().describe('Only if this is still the head (merge), or the commit reviewed (review)'),
  ...pageArguments,
});

const Output = z.object({
  action: Input.shape.action,
  pull_requests: z.array(PullRequest).optional(),
  next_page: nextPage.optional(),
  pull_request: PullRequestDetails.optional(),
  diff: z.string().optional(),
  diff_truncated: z.boolean().optional(),
  review: Review.optional(),
  merge: Merge.optional(),
});

export type Arguments = z.infer<typeof Input>;
export type Result = z.infer<typeof Output>;

export const managePr = defineTool({
  name: 'manage_pr',
  title: 'Manage pull requests',
  description:
    'Lists, shows, diffs, creates, reviews and merges pull requests. create needs title, head and base; review needs number and event; view, diff and merge need number.',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false },
  input: Input,
  output: Output,
  run: async (args, call: Call<Credentials>) => ({ action: args.action, ...(await actions[args.action](args, call)) }),
});
