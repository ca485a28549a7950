import type { Call } from '@minimcp/runtime';
import { read, send, type RestRequest, type RestVendor } from '@minimcp/runtime/rest';
import * as z from 'zod';
import type { Credentials } from './credentials.ts';
import { failureOf } from './failures.ts';

const FIGMA: RestVendor = {
  name: 'Figma',
  userAgent: 'minimcp-figma/0.1.0',
  maxBytes: 32 * 1024 * 1024,
  narrower: 'ask for fewer nodes, or with a smaller depth',
};

/** A request below the address of the API. */
export interface Ask extends Pick<RestRequest, 'method' | 'query' | 'json'> {
  path: string;
}

/**
 * Asks Figma one thing and checks the answer.
 * @param schema what the answer has to look like; unknown fields are dropped
 * @throws Failure
 */
export async function ask<T>(call: Call<Credentials>, { path, ...request }: Ask, schema: z.ZodType<T>): Promise<T> {
  const headers = { 'x-figma-token': call.credentials.api_key };
  const answer = await send(FIGMA, { ...request, url: call.vendorUrl + path, headers }, call);
  if (answer.status !== 200) throw failureOf(answer);
  return read(FIGMA, answer, schema);
}

/** Whether Figma accepts the token. A token that may not see its own user is forbidden this, not refused. */
export async function checkCredentials(call: Call<Credentials>): Promise<void> {
  await ask(call, { path: '/v1/me' }, z.object({ id: z.string() }));
}
