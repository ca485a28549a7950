// A workspace with a few channels, people, messages and files. The types of its answers are those of Slack's own client,
// so that an answer the API could not give does not compile.
import type {
  AuthTestResponse,
  ChatPostMessageResponse,
  ConversationsHistoryResponse,
  ConversationsListResponse,
  FilesInfoResponse,
  FilesListResponse,
  SearchMessagesResponse,
  UsersListResponse,
} from '@slack/web-api';
import type { Asked } from './stand-in.ts';

type Channel = NonNullable<ConversationsListResponse['channels']>[number];
type User = NonNullable<UsersListResponse['members']>[number];
type Message = NonNullable<ConversationsHistoryResponse['messages']>[number];
type File = NonNullable<FilesInfoResponse['file']>;
type Body = Record<string, unknown>;

const BOT = 'U0BOT00001';

const channels: Channel[] = [
  { id: 'C0GENERAL1', name: 'general', is_private: false, is_archived: false, is_member: true, num_members: 3, topic: { value: 'News' }, purpose: { value: 'For all' } },
  { id: 'C0RANDOM01', name: 'random', is_private: false, is_archived: false, is_member: false, num_members: 2, topic: { value: '' }, purpose: { value: '' } },
  { id: 'C0OLD00001', name: 'old', is_private: false, is_archived: true, is_member: false, num_members: 0, topic: { value: '' }, purpose: { value: '' } },
  { id: 'C0SECRET01', name: 'secret', is_private: true, is_archived: false, is_member: true, num_members: 1, topic: { value: '' }, purpose: { value: '' } },
  { id: 'D0ADA00001', user: 'U0ADA00001', is_im: true },
];

const users: User[] = [
  { id: 'U0ADA00001', name: 'ada', real_name: 'Ada Lovelace', deleted: false, is_bot: false, is_admin: true, tz: 'Europe/London', profile: { display_name: 'Ada', email: 'ada@example.com', title: 'Analyst' } },
  { id: 'U0ALAN0001', name: 'alan', real_name: 'Alan Turing', deleted: true, profile: { display_name: '' } },
  { id: BOT, name: 'minimcp', real_name: 'MiniMCP', is_bot: true, profile: { display_name: 'minimcp' } },
];

/** Ada's question with two answers is the oldest of three messages. */
function messages(): Message[] {
  const thread_ts = '1700000001.000100';
  return [
    { type: 'message', user: 'U0ADA00001', text: 'Shall we ship?', ts: thread_ts, thread_ts, reply_count: 2 },
    { type: 'message', user: 'U0ALAN0001', text: 'Yes', ts: '1700000002.000100', thread_ts },
    { type: 'message', user: 'U0ADA00001', text: 'Done', ts: '1700000003.000100', thread_ts, reactions: [{ name: 'tada', count: 1, users: [BOT] }] },
    { type: 'message', user: 'U0ADA00001', text: 'Lunch', ts: '1700000004.000100' },
    { type: 'message', subtype: 'bot_message', bot_id: 'B0ALERT001', text: '', ts: '1700000005.000100', attachments: [{ fallback: 'Disk full', text: 'Disk full on db1' }] },
  ];
}

function stored(id: string, name: string, bytes: Buffer, more: Partial<File> = {}): File {
  return { id, name, title: name, mimetype: 'text/plain', size: bytes.length, user: 'U0ADA00001', created: 1_700_000_000, permalink: `https://acme.slack.com/files/${id}`, ...more };
}

/** What Slack answers to a request that it takes. Nobody else sees what one workspace remembers. */
export class Workspace {
  readonly #messages = new Map([['C0GENERAL1', messages()]]);
  readonly #contents = new Map<string, Buffer>([
    ['F0NOTES001', Buffer.from('# Notizen\nGrüße\n')],
    ['F0IMAGE001', Buffer.from([0xff, 0xd8, 0xff, 0x00])],
  ]);
  readonly #files = [
    stored('F0NOTES001', 'notes.md', this.#contents.get('F0NOTES001')!),
    stored('F0IMAGE001', 'cat.jpg', this.#contents.get('F0IMAGE001')!, { mimetype: 'image/jpeg', user: BOT }),
    stored('F0LARGE001', 'large.iso', Buffer.alloc(0), { size: 5_000_000 }),
    stored('F0DRIVE001', 'drive', Buffer.alloc(0), { is_external: true, url_private: 'https://drive.example/1' }),
    stored('F0TRAP0001', 'trap', Buffer.alloc(0), { url_private_download: 'http://localhost:9/trap' }),
  ];
  /** Files under way: what was announced, and how many bytes came. */
  readonly #uploads = new Map<string, { name: string; length: number; bytes?: Buffer }>();
  #last = 1_700_000_100;

  /** @param origin where this workspace is served */
  answer(method: string, asked: Asked, origin: string): Body {
    const answers: Record<string, () => Body> = {
      'auth.test': () => ({ ok: true, team: 'Acme', team_id: 'T0ACME0001', user: 'minimcp', user_id: BOT }) satisfies AuthTestResponse,
      'conversations.list': () => this.#list(asked),
      'conversations.history': () => this.#history(asked),
      'conversations.replies': () => this.#replies(asked),
      'chat.postMessage': () => this.#post(asked),
      'reactions.add': () => this.#react(asked),
      'users.list': () => page(users, 'members', asked),
      'users.info': () => found('user', users.find(({ id }) => id === asked.form['user']), 'user_not_found'),
      'users.lookupByEmail': () => found('user', users.find(({ profile }) => profile?.email === asked.form['email']), 'users_not_found'),
      'files.list': () => this.#listFiles(asked),
      'files.info': () => found('file', this.#file(asked.form['file']!, origin), 'file_not_found'),
      'files.getUploadURLExternal': () => this.#announce(asked, origin),
      'files.completeUploadExternal': () => this.#complete(asked),
      'search.messages': () => this.#search(asked),
    };
    return answers[method]!();
  }

  /** The bytes behind the private address of a file. */
  content(id: string): Buffer | undefined {
    return this.#contents.get(id);
  }

  /** Takes the bytes of an announced file. */
  receive(id: string, bytes: Buffer): boolean {
    const upload = this.#uploads.get(id);
    if (upload?.length !== bytes.length) return false;
    upload.bytes = bytes;
    return true;
  }

  #list({ form }: Asked): Body {
    const kinds = (form['types'] ?? 'public_channel').split(',');
    const kind = (one: Channel) => (one.is_im ? 'im' : one.is_private ? 'private_channel' : 'public_channel');
    const seen = channels.filter((one) => kinds.includes(kind(one)) && !(one.is_archived && form['exclude_archived'] === 'true'));
    return page(seen, 'channels', { form });
  }

  #history({ form }: Asked): Body {
    const refusal = unreadable(form['channel']!);
    if (refusal) return refusal;
    const top = (this.#messages.get(form['channel']!) ?? []).filter(({ ts, thread_ts }) => !thread_ts || thread_ts === ts);
    return page(within(top, form).toReversed(), 'messages', { form });
  }

  #replies({ form }: Asked): Body {
    const refusal = unreadable(form['channel']!);
    if (refusal) return refusal;
    const thread = (this.#messages.get(form['channel']!) ?? []).filter(({ ts, thread_ts }) => [ts, thread_ts].includes(form['ts']));
    return thread.length === 0 ? failure('thread_not_found') : page(within(thread, form), 'messages', { form });
  }

  #post({ form }: Asked): Body {
    const text = form['text'] ?? form['markdown_text'];
    if (text === undefined && form['blocks'] === undefined) return failure('no_text');
    if (form['markdown_text'] !== undefined && (form['text'] ?? form['blocks']) !== undefined) return failure('markdown_text_conflict');
    const user = users.find(({ id }) => id === form['channel']);
    const channel = user ? channels.find((one) => one.user === user.id)?.id : form['channel'];
    const refusal = channel === undefined ? failure('channel_not_found') : unreadable(channel);
    if (refusal) return refusal;
    const thread_ts = form['thread_ts'];
    const message: Message = { type: 'message', user: BOT, text: text ?? '', ts: `${(this.#last += 1)}.000100`, ...(thread_ts && { thread_ts }) };
    const there = this.#messages.get(channel!) ?? [];
    this.#messages.set(channel!, [...there, message]);
    return { ok: true, channel: channel!, ts: message.ts!, message } satisfies ChatPostMessageResponse;
  }

  #react({ form }: Asked): Body {
    const message = this.#messages.get(form['channel']!)?.find(({ ts }) => ts === form['timestamp']);
    if (message === undefined) return failure('message_not_found');
    if (form['name'] === 'no-such-emoji') return failure('invalid_name');
    const reactions = (message.reactions ??= []);
    if (reactions.some(({ name, users }) => name === form['name'] && users?.includes(BOT))) return failure('already_reacted');
    reactions.push({ name: form['name']!, count: 1, users: [BOT] });
    return { ok: true };
  }

  #listFiles({ form }: Asked): Body {
    const count = Number(form['count'] ?? 20);
    const at = Number(form['page'] ?? 1);
    const seen = this.#files.filter(({ user }) => form['user'] === undefined || user === form['user']);
    return {
      ok: true,
      files: seen.slice((at - 1) * count, at * count),
      paging: { count, total: seen.length, page: at, pages: Math.ceil(seen.length / count) },
    } satisfies FilesListResponse;
  }

  #file(id: string, origin: string): File | undefined {
    const file = this.#files.find((one) => one.id === id);
    const url = `${origin}/files-pri/T0ACME0001-${id}/download`;
    return file && { url_private: url, ...(!file.is_external && { url_private_download: url }), ...file };
  }

  #announce({ form }: Asked, origin: string): Body {
    const file_id = `F0NEW${String(this.#uploads.size + 1).padStart(5, '0')}`;
    this.#uploads.set(file_id, { name: form['filename']!, length: Number(form['length']) });
    return { ok: true, upload_url: `${origin}/upload/v1/${file_id}`, file_id };
  }

  #complete({ form }: Asked): Body {
    const wanted = JSON.parse(form['files']!) as { id: string; title?: string }[];
    if (form['channel_id'] !== undefined && unreadable(form['channel_id'])) return unreadable(form['channel_id'])!;
    for (const { id, title } of wanted) {
      const upload = this.#uploads.get(id);
      if (upload?.bytes === undefined) return failure('file_not_found');
      this.#contents.set(id, upload.bytes);
      this.#files.unshift(stored(id, upload.name, upload.bytes, { user: BOT, ...(title && { title }) }));
    }
    return { ok: true, files: wanted };
  }

  #search({ form }: Asked): Body {
    const count = Number(form['count']);
    const at = Number(form['page']);
    const all = [...this.#messages].flatMap(([id, said]) =>
      said
        .filter(({ text }) => text?.includes(form['query']!))
        .map(({ ts, text, user }) => ({ ts, text, user, channel: { id, name: channels.find((one) => one.id === id)?.name }, permalink: `https://acme.slack.com/archives/${id}/p${ts}` })),
    );
    const paging = { count, total: all.length, page: at, pages: Math.ceil(all.length / count) };
    const matches = all.slice((at - 1) * count, at * count);
    return { ok: true, query: form['query'], messages: { total: all.length, matches, paging } } as SearchMessagesResponse & Body;
  }
}

export function failure(error: string, more: Body = {}): Body {
  return { ok: false, error, ...more };
}

function found(name: string, value: unknown, otherwise: string): Body {
  return value === undefined ? failure(otherwise) : { ok: true, [name]: value };
}

function unreadable(id: string): Body | undefined {
  const channel = channels.find((one) => one.id === id);
  if (channel === undefined) return failure('channel_not_found');
  if (channel.is_archived) return failure('is_archived');
  return channel.is_member || channel.is_im ? undefined : failure('not_in_channel');
}

function within(all: Message[], { oldest = '0', latest = '9999999999', inclusive }: Record<string, string>): Message[] {
  return all.filter(({ ts }) => (ts! > oldest && ts! < latest) || (inclusive === 'true' && (ts === oldest || ts === latest)));
}

/** A part of a list, and where it goes on. */
function page(all: unknown[], name: string, { form }: Pick<Asked, 'form'>): Body {
  const begin = form['cursor'] === undefined ? 0 : Number(Buffer.from(form['cursor'], 'base64').toString().replace(/^next:/, ''));
  if (!Number.isInteger(begin)) return failure('invalid_cursor');
  const end = begin + Number(form['limit'] ?? 100);
  const next_cursor = end < all.length ? Buffer.from(`next:${end}`).toString('base64') : '';
  return { ok: true, [name]: all.slice(begin, end), response_metadata: { next_cursor } };
}
