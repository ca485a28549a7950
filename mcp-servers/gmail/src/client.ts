import { Failure, type Call } from '@minimcp/runtime';
import { read, send, type RestAnswer, type RestRequest, type RestVendor } from '@minimcp/runtime/rest';
import * as z from 'zod';
import type { Credentials } from './credentials.ts';
import { failureOf } from './failures.ts';
import { permit, type Purpose } from './scopes.ts';
import { accessToken, dropToken } from './tokens.ts';

const GMAIL: RestVendor = {
  name: 'Gmail',
  userAgent: 'minimcp-gmail/0.1.0',
  maxBytes: 32 * 1024 * 1024,
  narrower: 'this cannot be read here',
};

/** A request to the mailbox the credentials belong to. */
export interface Ask extends Pick<RestRequest, 'method' | 'query' | 'json'> {
  /** Below `/users/me`. */
  path: string;
  purpose: Purpose;
}

/**
 * Asks Gmail one thing and checks the answer. An access token that is refused before its time is renewed once.
 * @param schema what the answer has to look like; unknown fields are dropped
 * @throws Failure
 */
export async function ask<T>(call: Call<Credentials>, { path, purpose, ...request }: Ask, schema: z.ZodType<T>): Promise<T> {
  permit(call, purpose);
  const url = `${call.vendorUrl}/gmail/${version(call)}/users/me${path}`;
  const sendWith = async (token: string): Promise<RestAnswer> =>
    send(GMAIL, { ...request, url, headers: { authorization: `Bearer ${token}` } }, call);
  const token = await accessToken(call);
  let answer = await sendWith(token);
  const renewable = answer.status === 401 && (await dropToken(call, token));
  if (renewable) answer = await sendWith(await accessToken(call));
  if (answer.status < 200 || answer.status > 299) throw failureOf(answer, purpose, renewable);
  return read(GMAIL, answer, schema);
}

/** Whether Google accepts the credentials. Those that may only send are forbidden the profile, not refused. */
export async function checkCredentials(call: Call<Credentials>): Promise<void> {
  await accessToken(call);
  await ask(call, { path: '/profile', purpose: 'seeProfile' }, z.object({ emailAddress: z.string() }));
}

function version({ config }: Call<Credentials>): string {
  const wanted = config['api_version'] ?? 'v1';
  if (typeof wanted === 'string' && /^v\d+$/.test(wanted)) return wanted;
  throw new Failure('invalid', 'api_version in CONFIG is not a version, such as "v1"');
}
