import type { IncomingHttpHeaders } from 'node:http';
import { Failure, type FailureKind } from '@minimcp/runtime';
import { read, retryAfter, type RestAnswer } from '@minimcp/runtime/rest';
import * as z from 'zod';

/** What to wait where Slack does not say it: its limits count by the minute. */
const LIMIT_SECONDS = 60;

/** What the codes of Slack mean, and what to do about those an agent or its user can do something about. */
const CODES: Record<string, [FailureKind, string?]> = {
  not_authed: ['refused'],
  invalid_auth: ['refused', 'the token is wrong, or belongs to another workspace'],
  account_inactive: ['refused', 'the app was removed from the workspace, or its user was deactivated'],
  token_revoked: ['refused', 'the token was revoked; install the app again and store the new token'],
  token_expired: ['refused', 'the token has expired; store a new one'],
  org_login_required: ['refused', 'the workspace is being moved to an organisation'],
  not_allowed_token_type: ['forbidden', 'this needs a token of another kind'],
  no_permission: ['forbidden', 'the token may not do this'],
  access_denied: ['forbidden'],
  ekm_access_denied: ['forbidden', 'the administrators have suspended access'],
  enterprise_is_restricted: ['forbidden'],
  team_access_not_granted: ['forbidden', 'the app is not installed in this workspace of the organisation'],
  restricted_action: ['forbidden', 'a setting of the workspace does not allow it'],
  not_in_channel: ['forbidden', 'the bot is not in this channel; have someone there say /invite with the name of the bot'],
  user_is_bot: ['invalid', 'this cannot be done with a bot'],
  channel_not_found: [
    'not_found',
    'there is no such channel, or the bot cannot see it; list_channels gives the ids, and a private channel has to invite the bot',
  ],
  user_not_found: ['not_found', 'there is no such user; list_users gives the ids'],
  users_not_found: ['not_found', 'nobody in the workspace has this address'],
  user_not_visible: ['not_found', 'the bot cannot see this user'],
  thread_not_found: ['not_found', 'there is no message with this ts in the channel'],
  message_not_found: ['not_found', 'there is no message with this ts in the channel'],
  file_not_found: ['not_found', 'there is no such file, or the bot cannot see it'],
  file_deleted: ['not_found', 'the file was deleted'],
  is_archived: ['invalid', 'the channel is archived'],
  invalid_cursor: ['invalid', 'begin again without a cursor'],
  invalid_blocks: ['invalid', 'the blocks are not Block Kit'],
  msg_too_long: ['invalid', 'the text is too long'],
  invalid_name: ['invalid', 'there is no such emoji'],
  internal_error: ['unavailable'],
  fatal_error: ['unavailable'],
  service_unavailable: ['unavailable'],
  request_timeout: ['unavailable'],
  team_added_to_org: ['unavailable', 'the workspace is being moved to an organisation; try again later'],
};

const MEANINGS: Record<FailureKind, string> = {
  refused: 'Slack refused the credentials',
  forbidden: 'Slack does not allow this with these credentials',
  rate_limited: 'Slack limits the rate of requests',
  not_found: 'Slack does not have this',
  invalid: 'Slack did not accept this',
  unavailable: 'Slack failed',
  malformed: 'Slack answered something that is not in its API',
};

/** What every answer of the Web API says, whatever its method. */
const Verdict = z.looseObject({ ok: z.boolean() });

/** What Slack says beside `ok: false`. */
const Refusal = z.object({
  error: z.string().catch('no explanation'),
  needed: z.string().optional().catch(undefined),
  provided: z.string().optional().catch(undefined),
  response_metadata: z.object({ messages: z.array(z.string()) }).optional().catch(undefined),
});

/**
 * The answer of a method that succeeded. Slack says with status 200 whether it did.
 * @throws Failure that tells an agent why it did not
 */
export function accepted({ status, headers, text }: RestAnswer): object {
  if (status === 429) throw rateLimited(headers);
  if (status !== 200) throw new Failure('unavailable', `Slack failed (${status})`);
  const answer = read({ name: 'Slack' }, { text }, Verdict);
  if (!answer.ok) throw refusal(Refusal.parse(answer), headers);
  return answer;
}

/** The Failure for a limit, which says how long to wait. */
export function rateLimited(headers: IncomingHttpHeaders): Failure {
  return new Failure('rate_limited', MEANINGS.rate_limited, retryAfter(headers) ?? LIMIT_SECONDS);
}

function refusal(
  { error, needed, provided, response_metadata: about }: z.infer<typeof Refusal>,
  headers: IncomingHttpHeaders,
): Failure {
  const code = error.slice(0, 100);
  if (code === 'ratelimited' || code === 'rate_limited') return rateLimited(headers);
  if (code === 'missing_scope') {
    const lack = `the token lacks the scope ${needed} (it has ${provided})`;
    const remedy = 'add it under OAuth & Permissions of the app, install the app again and store the new token';
    return new Failure('forbidden', `${MEANINGS.forbidden}: ${lack}; ${remedy} (missing_scope)`);
  }
  const known = Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  const [kind, advice] = known ?? [code.startsWith('restricted_action') ? 'forbidden' : 'invalid'];
  // The messages say which argument it was, for errors such as invalid_arguments.
  const why = [advice, ...(about?.messages ?? [])].filter(Boolean).join('; ').slice(0, 500);
  return new Failure(kind, `${[MEANINGS[kind], why].filter(Boolean).join(': ')} (${code})`);
}
