// What the methods of Slack's Web API take, as far as the tools use them. Slack publishes no description that a machine
// can read (its OpenAPI file was given up in 2020), so this is written by hand after the argument types of Slack's own
// client, and a parameter that those do not have does not compile.
import type {
  ChatPostMessageArguments,
  ConversationsHistoryArguments,
  ConversationsListArguments,
  ConversationsRepliesArguments,
  FilesCompleteUploadExternalArguments,
  FilesGetUploadURLExternalArguments,
  FilesInfoArguments,
  FilesListArguments,
  ReactionsAddArguments,
  SearchMessagesArguments,
  UsersInfoArguments,
  UsersListArguments,
  UsersLookupByEmailArguments,
} from '@slack/web-api';

/** Whether a value of a form is one that Slack would take. */
type Check = (value: string) => boolean;

/** The parameters of a method, who may ask it and what it needs a scope for. */
export interface Method {
  parameters: Record<string, Check>;
  required: readonly string[];
  as: 'bot' | 'user';
}

type KeysOf<A> = A extends unknown ? keyof A & string : never;

function method<A>(
  parameters: Partial<Record<KeysOf<A>, Check>>,
  required: readonly KeysOf<A>[] = [],
  as: Method['as'] = 'bot',
): Method {
  return { parameters: parameters as Record<string, Check>, required, as };
}

const text: Check = (value) => value.length > 0;
const flag: Check = (value) => value === 'true' || value === 'false';
const whole =
  (least: number, most: number): Check =>
  (value) =>
    /^\d+$/.test(value) && Number(value) >= least && Number(value) <= most;
const timestamp: Check = (value) => /^\d+\.\d{6}$/.test(value);
const channel: Check = (value) => /^[CDG][A-Z0-9]+$/.test(value);
const user: Check = (value) => /^[UW][A-Z0-9]+$/.test(value);
const oneOf =
  (...allowed: string[]): Check =>
  (value) =>
    allowed.includes(value);
const types: Check = (value) =>
  value.split(',').every(oneOf('public_channel', 'private_channel', 'mpim', 'im'));
const json =
  (fits: (value: any) => boolean): Check =>
  (value) => {
    try {
      return fits(JSON.parse(value));
    } catch {
      return false;
    }
  };

const cursor = { limit: whole(1, 999), cursor: text };
const pages = { count: whole(1, 1000), page: whole(1, 100) };
const between = { oldest: timestamp, latest: timestamp, inclusive: flag };

export const METHODS: Record<string, Method> = {
  'auth.test': method<object>({}),
  'conversations.list': method<ConversationsListArguments>({ types, exclude_archived: flag, ...cursor }),
  'conversations.history': method<ConversationsHistoryArguments>({ channel, ...between, ...cursor }, ['channel']),
  'conversations.replies': method<ConversationsRepliesArguments>({ channel, ts: timestamp, ...between, ...cursor }, [
    'channel',
    'ts',
  ]),
  'chat.postMessage': method<ChatPostMessageArguments>(
    {
      channel: (value) => channel(value) || user(value),
      text: (value) => value.length > 0 && value.length <= 40_000,
      markdown_text: (value) => value.length > 0 && value.length <= 12_000,
      blocks: json((blocks) => Array.isArray(blocks) && blocks.every((block) => typeof block?.type === 'string')),
      mrkdwn: flag,
      thread_ts: timestamp,
      reply_broadcast: flag,
      unfurl_links: flag,
      unfurl_media: flag,
    },
    ['channel'],
  ),
  'reactions.add': method<ReactionsAddArguments>({ channel, timestamp, name: (value) => /^[^\s]+$/.test(value) }, [
    'channel',
    'timestamp',
    'name',
  ]),
  'users.list': method<UsersListArguments>(cursor),
  'users.info': method<UsersInfoArguments>({ user: text }, ['user']),
  'users.lookupByEmail': method<UsersLookupByEmailArguments>({ email: (value) => value.includes('@') }, ['email']),
  'files.list': method<FilesListArguments>({ channel, user, ...pages }),
  'files.info': method<FilesInfoArguments>({ file: text }, ['file']),
  'files.getUploadURLExternal': method<FilesGetUploadURLExternalArguments>(
    { filename: text, length: whole(1, 1_000_000_000) },
    ['filename', 'length'],
  ),
  'files.completeUploadExternal': method<FilesCompleteUploadExternalArguments>(
    {
      files: json((files) => Array.isArray(files) && files.length > 0 && files.every((file) => typeof file?.id === 'string')),
      channel_id: channel,
      thread_ts: timestamp,
      initial_comment: text,
    },
    ['files'],
  ),
  'search.messages': method<SearchMessagesArguments>(
    {
      query: text,
      sort: oneOf('score', 'timestamp'),
      sort_dir: oneOf('asc', 'desc'),
      count: whole(1, 100),
      page: whole(1, 100),
    },
    ['query'],
    'user',
  ),
};
