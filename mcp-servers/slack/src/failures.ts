import { Failure, unreachable, type FailureKind } from '@minimcp/runtime';
import { WebAPIPlatformError, WebAPIRequestError } from '@slack/web-api';

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

/** What Slack says beside `ok: false`. */
interface Refusal {
  error: string;
  needed?: unknown;
  provided?: unknown;
  response_metadata?: { messages?: unknown; retryAfter?: number };
}

/** The Failure that tells an agent what an error of the client means. Failures stay as they are. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof WebAPIRequestError) return failureOf(error.original);
  if (error instanceof WebAPIPlatformError) return refusal(error.data as Refusal);
  return unreachable('Slack', error);
}

/** How long the headers of a limit ask to wait, in seconds. */
export function waitSeconds(headers: Headers): number {
  const seconds = Number(headers.get('retry-after') || NaN);
  return seconds >= 0 ? Math.ceil(seconds) : LIMIT_SECONDS;
}

function refusal({ error, needed, provided, response_metadata: about }: Refusal): Failure {
  const code = String(error).slice(0, 100);
  if (code === 'ratelimited' || code === 'rate_limited') {
    return new Failure('rate_limited', MEANINGS.rate_limited, about?.retryAfter ?? LIMIT_SECONDS);
  }
  if (code === 'missing_scope') {
    const lack = `the token lacks the scope ${needed} (it has ${provided})`;
    const remedy = 'add it under OAuth & Permissions of the app, install the app again and store the new token';
    return new Failure('forbidden', `${MEANINGS.forbidden}: ${lack}; ${remedy} (missing_scope)`);
  }
  const [kind, advice] = CODES[code] ?? [code.startsWith('restricted_action') ? 'forbidden' : 'invalid'];
  // Says which argument it was, for errors such as invalid_arguments.
  const messages = Array.isArray(about?.messages) ? about.messages.filter((one) => typeof one === 'string') : [];
  const parts = [MEANINGS[kind], [advice, ...messages].filter(Boolean).join('; ').slice(0, 500)].filter(Boolean);
  return new Failure(kind, `${parts.join(': ')} (${code})`);
}
