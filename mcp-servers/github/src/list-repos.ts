import { defineTool, type Call } from '@minimcp/runtime';
import * as z from 'zod';
import { ask, isApp } from './client.ts';
import type { Credentials } from './credentials.ts';
import { nextPage, pageArguments } from './paging.ts';

const Repository = z.object({
  full_name: z.string(),
  description: z.string().nullable(),
  private: z.boolean(),
  fork: z.boolean(),
  archived: z.boolean().optional(),
  default_branch: z.string().optional(),
  language: z.string().nullish(),
  open_issues_count: z.int().optional(),
  html_url: z.string(),
  pushed_at: z.string().nullish(),
});

export const listRepos = defineTool({
  name: 'list_repos',
  title: 'List repositories',
  description:
    'Lists the repositories the credentials can see, most recently pushed first, or those of one organisation. Follow next_page for more.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  input: z.object({
    org: z.string().min(1).optional().describe('List this organisation instead of everything the credentials can see'),
    visibility: z.enum(['all', 'public', 'private']).default('all'),
    ...pageArguments,
  }),
  output: z.object({ repositories: z.array(Repository), next_page: nextPage }),
  run: async ({ org, visibility, page, per_page }, call: Call<Credentials>) => {
    const paging = { page, per_page };
    if (org !== undefined) {
      const { data, next_page } = await ask(
        call,
        org,
        (github, stop) => github.rest.repos.listForOrg({ org, type: visibility, sort: 'pushed', ...paging, ...stop }),
        z.array(Repository),
      );
      return { repositories: data, next_page };
    }
    if (isApp(call.credentials)) {
      const { data, next_page } = await ask(
        call,
        undefined,
        (github, stop) => github.rest.apps.listReposAccessibleToInstallation({ ...paging, ...stop }),
        z.object({ repositories: z.array(Repository) }),
      );
      // An installation has no filter of its own for this.
      const seen = data.repositories.filter((one) => visibility === 'all' || one.private === (visibility === 'private'));
      return { repositories: seen, next_page };
    }
    const { data, next_page } = await ask(
      call,
      undefined,
      (github, stop) => github.rest.repos.listForAuthenticatedUser({ visibility, sort: 'pushed', ...paging, ...stop }),
      z.array(Repository),
    );
    return { repositories: data, next_page };
  },
});
