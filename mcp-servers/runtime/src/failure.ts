/**
 * Why a vendor did not do what a tool asked:
 * - `refused`: the credentials are wrong, revoked or expired; the instance is unhealthy until a call succeeds
 * - `forbidden`: the credentials are good but do not allow this
 * - `rate_limited`: ask again later
 * - `not_found`, `invalid`: the request is at fault
 * - `unavailable`: the vendor could not be reached or failed
 * - `malformed`: the vendor answered something that is not in its API
 */
export type FailureKind =
  | 'refused'
  | 'forbidden'
  | 'rate_limited'
  | 'not_found'
  | 'invalid'
  | 'unavailable'
  | 'malformed';

/** A failure that a tool reports to its caller. The message is for an agent to act on. */
export class Failure extends Error {
  override name = 'Failure';

  /** @param retryAfterSeconds how long to wait before asking again, where the vendor said so */
  constructor(
    readonly kind: FailureKind,
    message: string,
    readonly retryAfterSeconds?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
