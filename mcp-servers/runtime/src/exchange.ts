import type * as z from 'zod';
import { Failure } from './failure.ts';
import type { Call } from './tool.ts';

const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Has one exchange with a vendor, and gives it up after the time in CONFIG (`timeout_ms`, 100 to 300000).
 * @param have aborted by its signal when the time is up or the caller left
 * @throws Failure of kind `unavailable` when the vendor was too slow, and what `have` throws
 */
export async function exchange<T>(
  vendor: string,
  call: Pick<Call<unknown>, 'config' | 'signal'>,
  have: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeoutMs = timeout(call);
  const late = AbortSignal.timeout(timeoutMs);
  try {
    return await have(AbortSignal.any([call.signal, late]));
  } catch (error) {
    if (late.aborted) throw new Failure('unavailable', `${vendor} did not answer within ${timeoutMs / 1000} seconds`);
    if (call.signal.aborted) throw new Failure('unavailable', 'The call was cancelled');
    throw error;
  }
}

/**
 * The answer of a vendor in the shape it has to have; unknown fields are dropped.
 * @throws Failure of kind `malformed`
 */
export function shaped<T>(vendor: string, answer: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues[0]?.path.join('.') || 'the whole';
  throw new Failure('malformed', `${vendor} answered something that is not in its API (at ${where})`);
}

/** The Failure for a vendor that no connection could be had to, or only a broken one. */
export function unreachable(vendor: string, error: unknown): Failure {
  return new Failure('unavailable', `${vendor} cannot be reached: ${reason(error)}`, undefined, { cause: error });
}

function timeout({ config }: Pick<Call<unknown>, 'config'>): number {
  const wanted = config['timeout_ms'];
  return typeof wanted === 'number' && wanted >= 100 && wanted <= 300_000 ? wanted : DEFAULT_TIMEOUT_MS;
}

/** The code of the innermost cause, which names the fault of the network, or the message. */
function reason(error: unknown): string {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  if (cause !== undefined && cause !== error) return reason(cause);
  if (typeof code === 'string') return code;
  return error instanceof Error ? error.message.slice(0, 200) : 'unknown error';
}
