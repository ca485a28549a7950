import { Failure, type Call } from '@minimcp/runtime';
import { json, read, retryAfter, send, type RestAnswer, type RestVendor } from '@minimcp/runtime/rest';
import * as z from 'zod';
import type { Credentials } from './credentials.ts';

const GOOGLE: RestVendor = {
  name: 'Google',
  userAgent: 'minimcp-gmail/0.1.0',
  maxBytes: 1024 * 1024,
  narrower: 'tokens are smaller',
};

/** How long before its end a token is not used any more, in milliseconds: a request takes its time. */
const MARGIN_MS = 60_000;

const Issued = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() });

interface Held {
  token: string;
  /** On the clock of `performance.now()`. */
  until: number;
}

// Callers that come at once wait for the same request.
const held = new WeakMap<Credentials, Promise<Held>>();

/**
 * An access token: the one that was given, or one that the refresh token gets.
 * @throws Failure of kind `refused` when Google takes the refresh token for none, and others when it cannot say
 */
export async function accessToken(call: Call<Credentials>): Promise<string> {
  const { credentials } = call;
  if (credentials.refresh_token === undefined) return credentials.api_key!;
  const current = held.get(credentials);
  if (current !== undefined) {
    const { token, until } = await current;
    if (performance.now() < until) return token;
    forget(credentials, current);
    return accessToken(call);
  }
  const fresh = refresh(call);
  held.set(credentials, fresh);
  fresh.catch(() => forget(credentials, fresh));
  return (await fresh).token;
}

/** Drops a token that Google refused, and says whether another one can be had. */
export async function dropToken({ credentials }: Call<Credentials>, refused: string): Promise<boolean> {
  const current = held.get(credentials);
  if (current !== undefined && (await current).token === refused) forget(credentials, current);
  return credentials.refresh_token !== undefined;
}

function forget(credentials: Credentials, known: Promise<Held>): void {
  if (held.get(credentials) === known) held.delete(credentials);
}

async function refresh({ credentials, vendorUrls, config, secret }: Call<Credentials>): Promise<Held> {
  const form = {
    grant_type: 'refresh_token',
    client_id: credentials.client_id!,
    client_secret: credentials.client_secret!,
    refresh_token: credentials.refresh_token!,
  };
  // Others may wait for this token too, so it does not end with the call that asked first.
  const call = { config, signal: new AbortController().signal };
  const answer = await send(GOOGLE, { method: 'POST', url: `${vendorUrls['oauth']}/token`, form }, call);
  if (answer.status !== 200) throw failureOf(answer);
  const { access_token, expires_in } = read(GOOGLE, answer, Issued);
  secret(access_token);
  return { token: access_token, until: performance.now() + expires_in * 1000 - MARGIN_MS };
}

/** What to do about the errors of OAuth that have one remedy. */
const REMEDIES: Record<string, string> = {
  invalid_grant: 'The user took the access back, or the refresh token expired: authorise the account again and store the new refresh_token',
  invalid_client: 'Check client_id and client_secret',
  unauthorized_client: 'The refresh token was issued to another OAuth client: check client_id and client_secret',
};

function failureOf({ status, headers, text }: RestAnswer): Failure {
  const { error, error_description } = (json(text) ?? {}) as { error?: unknown; error_description?: unknown };
  const code = typeof error === 'string' ? error.slice(0, 100) : 'no explanation';
  const said = typeof error_description === 'string' ? `${code}: ${error_description.slice(0, 300)}` : code;
  const remedy = Object.hasOwn(REMEDIES, code) ? REMEDIES[code] : undefined;
  if (remedy !== undefined) return new Failure('refused', `Google refused the credentials (${said}). ${remedy}`);
  if (status === 429) return new Failure('rate_limited', `Google limits the rate of tokens: ${said}`, retryAfter(headers) ?? 60);
  if (status >= 500) return new Failure('unavailable', `Google failed to give a token (${status}): ${said}`);
  return new Failure('refused', `Google gave no token (${status}): ${said}`);
}
