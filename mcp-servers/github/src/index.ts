import { serve } from '@minimcp/runtime';
import { checkCredentials } from './client.ts';
import { createIssue } from './create-issue.ts';
import { Credentials } from './credentials.ts';
import { listRepos } from './list-repos.ts';
import { managePr } from './manage-pr.ts';
import { readFiles } from './read-files.ts';

serve({
  name: 'github',
  version: '0.1.0',
  credentials: Credentials,
  vendor: { variable: 'GITHUB_API_URL', url: 'https://api.github.com' },
  tools: [listRepos, readFiles, createIssue, managePr],
  checkCredentials,
});
