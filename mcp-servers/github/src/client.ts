import type { Call } from '@minimcp/runtime';
import { shaped } from '@minimcp/runtime/rest';
import type { Octokit } from '@octokit/rest';
import * as z from 'zod';
import type { Credentials } from './credentials.ts';
import { failureOf } from './failures.ts';
import { appClient, installationClient } from './installations.ts';
import { connect } from './octokit.ts';
import { GITHUB } from './transport.ts';

/** An answer in the shape that was asked for, and the number of the page after it. */
export interface Page<T> {
  data: T;
  next_page: number | null;
}

/** Parameters that make a request stop when its caller left or GitHub is too slow. */
export type Stoppable = { request: { signal: AbortSignal } };

interface Answer {
  data: unknown;
  headers: { link?: string | undefined };
}

/**
 * Asks GitHub one thing and checks the answer.
 * @param owner whose repositories this is about; chooses the installation of a GitHub App
 * @param schema what the answer has to look like; unknown fields are dropped
 * @throws Failure
 */
export async function ask<T>(
  call: Call<Credentials>,
  owner: string | undefined,
  send: (github: Octokit, stoppable: Stoppable) => Promise<Answer>,
  schema: z.ZodType<T>,
): Promise<Page<T>> {
  const { signal } = call;
  let answer;
  try {
    answer = await send(await clientFor(call, owner), { request: { signal } });
  } catch (error) {
    throw failureOf(error);
  }
  return { data: shaped(GITHUB, answer.data, schema), next_page: nextPage(answer.headers.link) };
}

/** Whether GitHub accepts the credentials; costs nothing of the rate limit. */
export async function checkCredentials(call: Call<Credentials>): Promise<void> {
  if (isApp(call.credentials)) {
    await appClient(call)
      .rest.apps.getAuthenticated({ request: { signal: call.signal } })
      .catch((error: unknown) => {
        throw failureOf(error);
      });
    return;
  }
  await ask(call, undefined, (github, stop) => github.rest.rateLimit.get(stop), z.object({ rate: z.object({}) }));
}

/** Whether the server speaks as a GitHub App rather than as a user. */
export function isApp(credentials: Credentials): boolean {
  return credentials.personal_access_token === undefined;
}

const users = new WeakMap<Credentials, Octokit>();

async function clientFor(call: Call<Credentials>, owner: string | undefined): Promise<Octokit> {
  if (isApp(call.credentials)) return installationClient(call, owner);
  let client = users.get(call.credentials);
  if (client === undefined) {
    client = connect(call, { auth: call.credentials.personal_access_token });
    users.set(call.credentials, client);
  }
  return client;
}

function nextPage(link: string | undefined): number | null {
  const next = link?.split(',').find((part) => part.includes('rel="next"'));
  const page = next && /[?&]page=(\d+)/.exec(next)?.[1];
  return page ? Number(page) : null;
}
