import type { Call } from '@minimcp/runtime';
import { send, shaped, type RestVendor } from '@minimcp/runtime/rest';
import * as z from 'zod';
import type { Credentials } from './credentials.ts';
import { accepted } from './failures.ts';
import type { Methods } from './methods.ts';

const SLACK: RestVendor = {
  name: 'Slack',
  userAgent: 'minimcp-slack/0.1.0',
  maxBytes: 8 * 1024 * 1024,
  narrower: 'ask for fewer at once',
};

/**
 * Asks Slack one thing and checks the answer.
 * @param schema what the answer has to look like; unknown fields are dropped
 * @param token who asks; the bot unless said otherwise
 * @throws Failure
 */
export async function ask<M extends keyof Methods, T>(
  call: Call<Credentials>,
  method: M,
  args: Methods[M],
  schema: z.ZodType<T>,
  token = call.credentials.bot_token,
): Promise<T> {
  const headers = { authorization: `Bearer ${token}` };
  // A form, as not every method takes JSON.
  const request = { method: 'POST', url: `${call.vendorUrl}/api/${method}`, headers, form: form(args ?? {}) } as const;
  return shaped(SLACK, accepted(await send(SLACK, request, call)), schema);
}

/** Whether Slack accepts the tokens. */
export async function checkCredentials(call: Call<Credentials>): Promise<void> {
  const { bot_token, user_token } = call.credentials;
  for (const token of [bot_token, user_token]) {
    if (token !== undefined) await ask(call, 'auth.test', {}, z.object({ team_id: z.string() }), token);
  }
}

/** Arguments as fields of a form: texts as they are, everything else as JSON; what is undefined is left out. */
function form(args: object): Record<string, string> {
  const given = Object.entries(args).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    given.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}
