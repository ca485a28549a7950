import { Failure, type Call } from '@minimcp/runtime';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import type { Arguments, Result } from './manage-pr.ts';

/** The largest diff that is handed on, in characters: an agent reads it at once. */
const MAX_DIFF = 500_000;

/** A pull request as lists give it. */
export const PullRequest = z.object({
  number: z.int(),
  title: z.string(),
  state: z.string(),
  draft: z.boolean().optional(),
  html_url: z.string(),
  user: z.object({ login: z.string() }).nullable(),
  head: z.object({ ref: z.string(), sha: z.string() }),
  base: z.object({ ref: z.string(), sha: z.string() }),
  body: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  merged_at: z.string().nullable(),
});

/** A pull request as it is given by itself. */
export const PullRequestDetails = PullRequest.extend({
  merged: z.boolean(),
  mergeable: z.boolean().nullable().describe('null while GitHub is still working it out; ask again'),
  mergeable_state: z.string(),
  commits: z.int(),
  additions: z.int(),
  deletions: z.int(),
  changed_files: z.int(),
});

export const Review = z.object({
  id: z.int(),
  state: z.string(),
  body: z.string().nullable(),
  html_url: z.string(),
});

export const Merge = z.object({ merged: z.boolean(), sha: z.string(), message: z.string() });

type Act = (args: Arguments, call: Call<Credentials>) => Promise<Omit<Result, 'action'>>;

/** What each action of manage_pr does. */
export const actions: Record<Arguments['action'], Act> = {
  list: async ({ owner, repo, state, head, base, page, per_page }, call) => {
    const { data, next_page } = await ask(
      call,
      owner,
      (github, stop) => github.rest.pulls.list({ owner, repo, state, head, base, page, per_page, ...stop }),
      z.array(PullRequest),
    );
    return { pull_requests: data, next_page };
  },

  view: async (args, call) => {
    const { owner, repo } = args;
    const pull_number = needed(args, 'number');
    const { data } = await ask(
      call,
      owner,
      (github, stop) => github.rest.pulls.get({ owner, repo, pull_number, ...stop }),
      PullRequestDetails,
    );
    return { pull_request: data };
  },

  diff: async (args, call) => {
    const { owner, repo } = args;
    const pull_number = needed(args, 'number');
    const { data } = await ask(
      call,
      owner,
      (github, stop) => github.rest.pulls.get({ owner, repo, pull_number, mediaType: { format: 'diff' }, ...stop }),
      z.string(),
    );
    return { diff: data.slice(0, MAX_DIFF), diff_truncated: data.length > MAX_DIFF };
  },

  create: async (args, call) => {
    const { owner, repo, body, draft } = args;
    const fields = { title: needed(args, 'title'), head: needed(args, 'head'), base: needed(args, 'base') };
    const { data } = await ask(
      call,
      owner,
      (github, stop) => github.rest.pulls.create({ owner, repo, body, draft, ...fields, ...stop }),
      PullRequestDetails,
    );
    return { pull_request: data };
  },

  review: async (args, call) => {
    const { owner, repo, body, comments, sha } = args;
    const pull_number = needed(args, 'number');
    const event = needed(args, 'event');
    if (event !== 'APPROVE' && body === undefined) throw new Failure('invalid', `event ${event} needs body`);
    const { data } = await ask(
      call,
      owner,
      (github, stop) =>
        github.rest.pulls.createReview({ owner, repo, pull_number, event, body, comments, commit_id: sha, ...stop }),
      Review,
    );
    return { review: data };
  },

  merge: async (args, call) => {
    const { owner, repo, merge_method, commit_title, commit_message, sha } = args;
    const pull_number = needed(args, 'number');
    const how = { merge_method, commit_title, commit_message, sha };
    const { data } = await ask(
      call,
      owner,
      (github, stop) => github.rest.pulls.merge({ owner, repo, pull_number, ...how, ...stop }),
      Merge,
    );
    return { merge: data };
  },
};

function needed<K extends keyof Arguments>(args: Arguments, name: K): NonNullable<Arguments[K]> {
  const value = args[name];
  if (value === undefined || value === null) throw new Failure('invalid', `action ${args.action} needs ${name}`);
  return value;
}
