import { defineTool, type Call } from '@minimcp/runtime';
import * as z from 'zod';
import { ask } from './client.ts';
import type { Credentials } from './credentials.ts';
import { repository } from './paging.ts';

const Issue = z.object({ number: z.int(), title: z.string(), state: z.string(), html_url: z.string() });

export const createIssue = defineTool({
  name: 'create_issue',
  title: 'Create an issue',
  description: 'Opens an issue in a repository. Calling it twice opens two issues.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false },
  input: z.object({
    ...repository,
    title: z.string().min(1).max(256),
    body: z.string().max(65_536).optional().describe('Markdown'),
    labels: z.array(z.string()).optional(),
    assignees: z.array(z.string()).max(10).optional().describe('User names'),
    milestone: z.int().optional().describe('The number of a milestone'),
  }),
  output: Issue,
  run: async (args, call: Call<Credentials>) => {
    const { data } = await ask(call, args.owner, (github, stop) => github.rest.issues.create({ ...args, ...stop }), Issue);
    return data;
  },
});
