// What a repository of two files, two issues and two pull requests answers. The types are those of GitHub's published
// description, so that an answer the API could not give does not compile.
import type { components } from '@octokit/openapi-types';
import type { Asked } from './stand-in.ts';

type Schemas = components['schemas'];
type Part<Name extends keyof Schemas> = Partial<Schemas[Name]>;

interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body: unknown;
}

const repository = (number: number, isPrivate = false): Part<'minimal-repository'> => ({
  id: number,
  full_name: `octo/repo-${number}`,
  description: number % 2 ? 'A repository' : null,
  private: isPrivate,
  fork: false,
  archived: false,
  default_branch: 'main',
  language: null,
  open_issues_count: 0,
  html_url: `https://github.com/octo/repo-${number}`,
  pushed_at: '2026-11-01T00:00:00Z',
});

const pull = {
  number: 7,
  title: 'Change',
  state: 'open',
  draft: false,
  html_url: 'https://github.com/octo/repo/pull/7',
  user: { login: 'octocat' } as Schemas['simple-user'],
  head: { ref: 'topic', sha: 'a'.repeat(40) } as Schemas['pull-request']['head'],
  base: { ref: 'main', sha: 'b'.repeat(40) } as Schemas['pull-request']['base'],
  body: null,
  created_at: '2026-11-01T00:00:00Z',
  updated_at: '2026-11-01T00:00:00Z',
  merged_at: null,
} satisfies Part<'pull-request'>;

const pullDetails = {
  ...pull,
  merged: false,
  mergeable: null,
  mergeable_state: 'unknown',
  commits: 1,
  additions: 2,
  deletions: 3,
  changed_files: 1,
} satisfies Part<'pull-request'>;

const file = (path: string, bytes: Buffer): Part<'content-file'> => ({
  type: 'file',
  encoding: 'base64',
  size: bytes.length,
  name: path.split('/').at(-1)!,
  path,
  // GitHub breaks the lines of base64.
  content: bytes.toString('base64').replace(/(.{20})/g, '$1\n'),
  sha: 'c'.repeat(40),
  download_url: 'https://raw.example/with?token=secret',
});

const contents: Record<string, unknown> = {
  'README.md': file('README.md', Buffer.from('# Grüße\n')),
  'src/with space & more.bin': file('src/with space & more.bin', Buffer.from([0xff, 0x00, 0xfe])),
  'large.iso': { ...file('large.iso', Buffer.alloc(0)), size: 2_000_000, encoding: 'none', content: '' },
  link: { type: 'symlink', target: 'README.md', size: 9, name: 'link', path: 'link', sha: 'd'.repeat(40) },
  '': [{ type: 'dir', size: 0, name: 'src', path: 'src' }] satisfies Partial<Schemas['content-directory'][number]>[],
};

const notFound: Answer = { status: 404, body: { message: 'Not Found', status: '404' } };

/** The usual answer to a request, where `url` is where this GitHub is. Of repositories there is only `repo`. */
export function usual(asked: Asked, url: string): Answer {
  const { repo = 'repo', number = '7' } = asked.path;
  return repo === 'repo' && number === '7' ? answers[asked.id]!(asked, url) : notFound;
}

const answers: Record<string, (asked: Asked, url: string) => Answer> = {
  rate_limit: () => ({ body: { resources: {}, rate: { limit: 5000, remaining: 4999, reset: 1, used: 1 } } }),
  user_repos: ({ query }, url) => {
    const page = Number(query['page']);
    const next = page < 3 ? { link: `<${url}/user/repos?per_page=2&page=${page + 1}>; rel="next", <${url}/user/repos?page=3>; rel="last"` } : {};
    return { headers: next as Record<string, string>, body: [repository(page * 2 - 1), repository(page * 2)] };
  },
  org_repos: () => ({ body: [repository(9)] }),
  installation_repos: () => ({ body: { total_count: 2, repositories: [repository(1), repository(2, true)] } }),
  contents: ({ path }) => {
    const found = contents[path['path']!];
    return found === undefined ? notFound : { body: found };
  },
  create_issue: ({ body }) => ({
    status: 201,
    body: {
      number: 11,
      title: body['title'] as string,
      state: 'open',
      html_url: 'https://github.com/octo/repo/issues/11',
    } satisfies Part<'issue'>,
  }),
  list_pulls: () => ({ body: [pull] }),
  create_pull: () => ({ status: 201, body: pullDetails }),
  get_pull: ({ format }) => ({ body: format === 'diff' ? 'diff --git a/x b/x\n' : pullDetails }),
  review_pull: () => ({
    body: {
      id: 5,
      state: 'APPROVED',
      body: '',
      html_url: 'https://github.com/octo/repo/pull/7#review-5',
    } satisfies Part<'pull-request-review'>,
  }),
  merge_pull: () => ({
    body: { merged: true, sha: 'e'.repeat(40), message: 'Merged' } satisfies Schemas['pull-request-merge-result'],
  }),
  app: () => ({ body: { id: 4242, slug: 'app' } }),
  installations: () => ({
    body: [
      { id: 1, account: { login: 'octo' } },
      { id: 2, account: { login: 'Other' } },
    ],
  }),
  installation_token: ({ path }) => ({
    status: 201,
    body: {
      token: `ghs_installation${path['installation']}`,
      expires_at: new Date(Date.now() + 3_600_000).toISOString(),
      permissions: {},
      repository_selection: 'all',
    } satisfies Schemas['installation-token'],
  }),
};
