// The part of GitHub's published REST description (2022-11-28) that the tools use, for the stand-in to hold them to.

type Check = (value: unknown) => boolean;

/** What one operation takes. Anything else is refused, as a misspelt parameter would be ignored in silence. */
export interface Operation {
  id: string;
  method: string;
  path: RegExp;
  query: Record<string, Check>;
  body?: { properties: Record<string, Check>; required: string[] };
  /** Who may ask: a user or an installation by its token, or the app by its own signature. */
  as: 'token' | 'app';
  formats?: string[];
}

const text: Check = (value) => typeof value === 'string' && value.length > 0;
const anyText: Check = (value) => typeof value === 'string';
const flag: Check = (value) => typeof value === 'boolean';
const whole: Check = (value) => Number.isInteger(value);
const texts: Check = (value) => Array.isArray(value) && value.every(text);
const oneOf =
  (...allowed: string[]): Check =>
  (value) =>
    allowed.includes(value as string);
const digits: Check = (value) => /^[1-9]\d*$/.test(value as string);
const upToHundred: Check = (value) => digits(value) && Number(value) <= 100;
const paging = { page: digits, per_page: upToHundred };
const repositorySort = oneOf('created', 'updated', 'pushed', 'full_name');
const direction = oneOf('asc', 'desc');

const comments: Check = (value) =>
  Array.isArray(value) &&
  value.every((one) => {
    const { path, body, line, side, ...unknown } = one as Record<string, unknown>;
    return text(path) && text(body) && whole(line) && oneOf('LEFT', 'RIGHT')(side) && Object.keys(unknown).length === 0;
  });

const REPO = '/repos/(?<owner>[^/]+)/(?<repo>[^/]+)';
const at = (path: string) => new RegExp(`^${path}$`);

export const OPERATIONS: Operation[] = [
  { id: 'rate_limit', method: 'GET', path: at('/rate_limit'), query: {}, as: 'token' },
  {
    id: 'user_repos',
    method: 'GET',
    path: at('/user/repos'),
    query: { visibility: oneOf('all', 'public', 'private'), sort: repositorySort, direction, ...paging },
    as: 'token',
  },
  {
    id: 'org_repos',
    method: 'GET',
    path: at('/orgs/(?<org>[^/]+)/repos'),
    query: {
      type: oneOf('all', 'public', 'private', 'forks', 'sources', 'member'),
      sort: repositorySort,
      direction,
      ...paging,
    },
    as: 'token',
  },
  { id: 'installation_repos', method: 'GET', path: at('/installation/repositories'), query: paging, as: 'token' },
  {
    id: 'contents',
    method: 'GET',
    // The client asks for the root without the slash at the end, which GitHub takes as well.
    path: at(`${REPO}/contents(?:/(?<path>.*))?`),
    query: { ref: text },
    as: 'token',
  },
  {
    id: 'create_issue',
    method: 'POST',
    path: at(`${REPO}/issues`),
    query: {},
    body: {
      properties: { title: text, body: anyText, milestone: whole, labels: texts, assignees: texts },
      required: ['title'],
    },
    as: 'token',
  },
  {
    id: 'list_pulls',
    method: 'GET',
    path: at(`${REPO}/pulls`),
    query: { state: oneOf('open', 'closed', 'all'), head: text, base: text, ...paging },
    as: 'token',
  },
  {
    id: 'create_pull',
    method: 'POST',
    path: at(`${REPO}/pulls`),
    query: {},
    body: {
      properties: { title: text, head: text, base: text, body: anyText, draft: flag },
      required: ['title', 'head', 'base'],
    },
    as: 'token',
  },
  {
    id: 'get_pull',
    method: 'GET',
    path: at(`${REPO}/pulls/(?<number>[1-9]\\d*)`),
    query: {},
    as: 'token',
    formats: ['diff'],
  },
  {
    id: 'review_pull',
    method: 'POST',
    path: at(`${REPO}/pulls/(?<number>[1-9]\\d*)/reviews`),
    query: {},
    body: {
      properties: {
        commit_id: text,
        body: text,
        event: oneOf('APPROVE', 'REQUEST_CHANGES', 'COMMENT'),
        comments,
      },
      required: [],
    },
    as: 'token',
  },
  {
    id: 'merge_pull',
    method: 'PUT',
    path: at(`${REPO}/pulls/(?<number>[1-9]\\d*)/merge`),
    query: {},
    body: {
      properties: {
        commit_title: text,
        commit_message: text,
        sha: text,
        merge_method: oneOf('merge', 'squash', 'rebase'),
      },
      required: [],
    },
    as: 'token',
  },
  { id: 'app', method: 'GET', path: at('/app'), query: {}, as: 'app' },
  { id: 'installations', method: 'GET', path: at('/app/installations'), query: paging, as: 'app' },
  {
    id: 'installation_token',
    method: 'POST',
    path: at('/app/installations/(?<installation>[1-9]\\d*)/access_tokens'),
    query: {},
    body: { properties: {}, required: [] },
    as: 'app',
  },
];
