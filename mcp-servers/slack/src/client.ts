import { exchange, Failure, shaped, type Call } from '@minimcp/runtime';
import { LogLevel, WebClient } from '@slack/web-api';
import * as z from 'zod';
import type { Credentials } from './credentials.ts';
import { failureOf, waitSeconds } from './failures.ts';

/**
 * Asks Slack one thing and checks the answer.
 * @param schema what the answer has to look like; unknown fields are dropped
 * @param token who asks; the bot unless said otherwise
 * @throws Failure
 */
export async function ask<T>(
  call: Call<Credentials>,
  send: (slack: WebClient) => Promise<unknown>,
  schema: z.ZodType<T>,
  token = call.credentials.bot_token,
): Promise<T> {
  const answer = await exchange('Slack', call, async (signal) => {
    try {
      return await send(connect(call, token, signal));
    } catch (error) {
      throw failureOf(error);
    }
  });
  return shaped('Slack', answer, schema);
}

/** Whether Slack accepts the tokens. */
export async function checkCredentials(call: Call<Credentials>): Promise<void> {
  const { bot_token, user_token } = call.credentials;
  for (const token of [bot_token, user_token]) {
    if (token !== undefined) await ask(call, (slack) => slack.auth.test(), z.object({ team_id: z.string() }), token);
  }
}

/** A client for one call, as it has no other way to be stopped. It waits for nothing and asks only once. */
function connect({ vendorUrl, log }: Call<Credentials>, token: string, signal: AbortSignal): WebClient {
  const quiet = (...message: unknown[]) => log.debug(message.map(String).join(' '));
  return new WebClient(token, {
    slackApiUrl: `${vendorUrl}/api/`,
    allowAbsoluteUrls: false,
    retryConfig: { retries: 0 },
    logger: {
      // It would be given whole requests.
      debug: () => {},
      info: quiet,
      warn: quiet,
      error: quiet,
      getLevel: () => LogLevel.INFO,
      setLevel: () => {},
      setName: () => {},
    },
    fetch: async (url, init) => {
      const response = await fetch(url, { ...init, signal });
      if (response.status === 429) {
        throw new Failure('rate_limited', 'Slack limits the rate of requests', waitSeconds(response.headers));
      }
      if (response.status !== 200) throw new Failure('unavailable', `Slack failed (${response.status})`);
      const text = await response.text();
      if (!isAnswer(text)) throw new Failure('malformed', 'Slack answered something that is not in its API (at the whole)');
      return new Response(text, { headers: response.headers });
    },
  });
}

function isAnswer(text: string): boolean {
  try {
    return typeof JSON.parse(text)?.ok === 'boolean';
  } catch {
    return false;
  }
}
