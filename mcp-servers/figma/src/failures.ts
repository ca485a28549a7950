import { Failure } from '@minimcp/runtime';
import { json, retryAfter, type RestAnswer } from '@minimcp/runtime/rest';

/** What Figma's description says is typical where the answer does not say how long to wait. */
const TYPICAL_WAIT_SECONDS = 60;

/** The Failure that tells an agent what an answer other than 200 means. */
export function failureOf({ status, headers, text }: RestAnswer): Failure {
  const said = message(json(text));
  switch (status) {
    case 401:
      return new Failure('refused', `Figma refused the credentials: ${said}`);
    case 403:
      // The same status says that the token is bad, that it lacks a scope, or that the file is somebody else's.
      if (/token/i.test(said) && !/scope/i.test(said)) return new Failure('refused', `Figma refused the credentials: ${said}`);
      return new Failure('forbidden', `Figma does not allow this with these credentials: ${said}`);
    case 404:
      return new Failure('not_found', `Figma does not have this, or hides it from these credentials: ${said}`);
    case 429: {
      const seat = headers['x-figma-rate-limit-type'] === 'low' ? ' (the low limits of a View or Collab seat)' : '';
      const wait = retryAfter(headers) ?? TYPICAL_WAIT_SECONDS;
      return new Failure('rate_limited', `Figma limits the rate of requests${seat}: ${said}`, wait);
    }
  }
  if (status >= 500) return new Failure('unavailable', `Figma failed (${status}): ${said}`);
  return new Failure('invalid', `Figma did not accept this (${status}): ${said}`);
}

/** Figma's own words, shortened; never a page of HTML. */
function message(body: unknown): string {
  const { err, message } = (body ?? {}) as { err?: unknown; message?: unknown };
  const said = [err, message].find((text) => typeof text === 'string' && text !== '');
  return typeof said === 'string' ? said.slice(0, 500) : 'no explanation';
}
