import { Failure } from '@minimcp/runtime';
import { json, retryAfter, type RestAnswer } from '@minimcp/runtime/rest';
import { scopesFor, type Purpose } from './scopes.ts';

/** Where Gmail does not say how long to wait: its quotas are counted by the minute. */
const QUOTA_SECONDS = 60;

/** Reasons, in the two spellings of Google's errors, for which the same request succeeds later. */
const LIMITS = /^(rateLimitExceeded|userRateLimitExceeded|quotaExceeded|dailyLimitExceeded|RATE_LIMIT_EXCEEDED|RESOURCE_EXHAUSTED)$/;

/** Reasons that speak of the scopes of the token. */
const SCOPES = /^(insufficientPermissions|ACCESS_TOKEN_SCOPE_INSUFFICIENT)$/;

/** The Failure that tells an agent what an answer other than 2xx means. */
export function failureOf({ status, headers, text }: RestAnswer, purpose: Purpose, renewable: boolean): Failure {
  const { said, reasons } = explanation(json(text));
  if (status === 401) {
    const remedy = renewable ? '' : '. The access token in api_key lasted its hour: store a refresh_token, with which the server renews it';
    return new Failure('refused', `Gmail refused the credentials: ${said}${remedy}`);
  }
  if (status === 429 || (status === 403 && reasons.some((reason) => LIMITS.test(reason)))) {
    const wait = retryAfter(headers) ?? waitInWords(said) ?? QUOTA_SECONDS;
    return new Failure('rate_limited', `Gmail limits the rate of requests: ${said}`, wait);
  }
  if (status === 403 && reasons.some((reason) => SCOPES.test(reason))) {
    const needed = `this needs one of the scopes ${scopesFor(purpose)}`;
    return new Failure('forbidden', `Gmail does not allow this with these credentials: ${said}; ${needed}`);
  }
  if (status === 403) return new Failure('forbidden', `Gmail does not allow this with these credentials: ${said}`);
  if (status === 404) return new Failure('not_found', `Gmail does not have this: ${said}`);
  if (status >= 500) return new Failure('unavailable', `Gmail failed (${status}): ${said}`);
  return new Failure('invalid', `Gmail did not accept this (${status}): ${said}`);
}

/** Google's own words, shortened, and every machine-readable reason in the error. */
function explanation(body: unknown): { said: string; reasons: string[] } {
  const error = (body as { error?: unknown } | null | undefined)?.error;
  if (typeof error !== 'object' || error === null) return { said: 'no explanation', reasons: [] };
  const { message, status, errors, details } = error as Record<string, unknown>;
  const listed = [errors, details].flatMap((list) => (Array.isArray(list) ? (list as unknown[]) : []));
  const reasons = [status, ...listed.map((one) => (one as { reason?: unknown } | null)?.reason)];
  return {
    said: typeof message === 'string' && message !== '' ? message.slice(0, 500) : 'no explanation',
    reasons: reasons.filter((reason) => typeof reason === 'string'),
  };
}

/** Gmail puts the time of the end of a limit into its sentence: `Retry after 2026-11-22T10:00:00.000Z`. */
function waitInWords(said: string): number | undefined {
  const date = /retry after (\S+)/i.exec(said)?.[1];
  return date === undefined ? undefined : retryAfter({ 'retry-after': date.replace(/[^\dZ]+$/, '') });
}
