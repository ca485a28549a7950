import { Failure } from '@minimcp/runtime';

interface VendorError {
  status?: unknown;
  cause?: unknown;
  message?: unknown;
  response?: { data?: unknown; headers?: Record<string, string | undefined> };
}

/** What to do where GitHub does not say it: a secondary limit asks for at least a minute. */
const SECONDARY_LIMIT_SECONDS = 60;

/** The Failure that tells an agent what an error of the client means. Failures stay as they are. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const { status, response, cause } = error as VendorError;
  // The client wraps what its transport throws.
  if (cause instanceof Failure) return cause;
  // Without a response the status is the client's invention.
  if (typeof status !== 'number' || response === undefined) {
    const reason = error instanceof Error ? error.message.slice(0, 200) : 'unknown error';
    return new Failure('unavailable', `GitHub cannot be asked: ${reason}`, undefined, { cause: error });
  }
  const said = message(response.data);
  const headers = response.headers ?? {};
  if (status === 401) return new Failure('refused', `GitHub refused the credentials: ${said}`);
  if ((status === 403 || status === 429) && isRateLimit(status, headers, said)) {
    return new Failure('rate_limited', `GitHub limits the rate of requests: ${said}`, waitSeconds(headers));
  }
  const remedy = whatItTakes(headers);
  if (status === 403) return new Failure('forbidden', `GitHub does not allow this with these credentials: ${said}${remedy}`);
  if (status === 404 || status === 410) {
    return new Failure('not_found', `GitHub does not have this, or hides it from these credentials: ${said}${remedy}`);
  }
  if (status >= 500) return new Failure('unavailable', `GitHub failed (${status}): ${said}`);
  return new Failure('invalid', `GitHub did not accept this (${status}): ${said}`);
}

/**
 * What GitHub tells in headers about tokens that may do this: for those of organisations with single sign-on, for
 * fine-grained ones and for classic ones.
 */
function whatItTakes(headers: Record<string, string | undefined>): string {
  const authorise = /\burl=(\S+)/.exec(headers['x-github-sso'] ?? '')?.[1];
  if (authorise) return `. The token has to be authorised for the organisation at ${authorise}`;
  const permissions = headers['x-accepted-github-permissions'];
  if (permissions) return `. The token needs the permissions ${permissions}`;
  const accepted = scopes(headers['x-accepted-oauth-scopes']);
  const held = scopes(headers['x-oauth-scopes']);
  if (accepted.length === 0 || accepted.some((scope) => held.includes(scope))) return '';
  return `. GitHub wants the scope ${accepted.join(' or ')} for this, and the token has ${held.join(', ') || 'none'}`;
}

function scopes(header: string | undefined): string[] {
  return (header ?? '').split(',').map((scope) => scope.trim()).filter(Boolean);
}

function isRateLimit(status: number, headers: Record<string, string | undefined>, said: string): boolean {
  return (
    status === 429 ||
    headers['retry-after'] !== undefined ||
    headers['x-ratelimit-remaining'] === '0' ||
    /rate limit/i.test(said)
  );
}

function waitSeconds(headers: Record<string, string | undefined>): number {
  const retryAfter = Number(headers['retry-after']);
  if (headers['retry-after'] !== undefined && retryAfter >= 0) return Math.ceil(retryAfter);
  const reset = Number(headers['x-ratelimit-reset']);
  if (headers['x-ratelimit-remaining'] === '0' && reset > 0) return Math.max(1, Math.ceil(reset - Date.now() / 1000));
  return SECONDARY_LIMIT_SECONDS;
}

/** GitHub's own words with its list of field errors, shortened; never a page of HTML. */
function message(data: unknown): string {
  if (typeof data !== 'object' || data === null) return 'no explanation';
  const { message, errors } = data as { message?: unknown; errors?: unknown };
  const details = Array.isArray(errors) ? errors.map(detail).join(', ') : '';
  const text = [typeof message === 'string' ? message : 'no explanation', details].filter(Boolean).join(': ');
  return text.slice(0, 500);
}

function detail(error: unknown): string {
  if (typeof error === 'string') return error;
  const { message, resource, field, code } = (error ?? {}) as Record<string, unknown>;
  if (typeof message === 'string') return message;
  return [resource, field, code].filter((part) => typeof part === 'string').join(' ');
}
