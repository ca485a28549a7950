import type { gmail_v1 } from '@googleapis/gmail';
import { FILES, LABELS, MAIL, written } from './mail.ts';
import type { Asked } from './stand-in.ts';

type Message = gmail_v1.Schema$Message;

/** A status and a body, as Gmail answers them. */
export interface Answer {
  status?: number;
  body?: unknown;
}

interface Outgoing {
  raw: string;
  threadId?: string;
}

const NOT_FOUND: Answer = {
  status: 404,
  body: {
    error: {
      code: 404,
      message: 'Requested entity was not found.',
      errors: [{ message: 'Requested entity was not found.', domain: 'global', reason: 'notFound' }],
      status: 'NOT_FOUND',
    },
  },
};

/** A mailbox that remembers what is written to it. Ids count up from the start, so that calls can be written down. */
export class Mailbox {
  readonly #mail: Message[] = structuredClone([...MAIL]);
  readonly #drafts = new Map<string, Message>();
  #count = 0;

  /** The usual answer to a request. */
  answer(asked: Asked): Answer {
    const body = asked.body as Record<string, unknown>;
    switch (asked.id) {
      case 'profile':
        return { body: { emailAddress: 'me@example.com', messagesTotal: 3, threadsTotal: 2, historyId: '1000' } };
      case 'list_messages':
        return listed('messages', asked, this.#found(asked).map(({ id, threadId }) => ({ id, threadId })));
      case 'get_message':
        return one(this.#message(asked.path['id']), (message) => shown(message, asked));
      case 'get_attachment': {
        const content = FILES[asked.path['id']!];
        return content ? { body: { size: content.length, data: content.toString('base64url') } } : NOT_FOUND;
      }
      case 'send_message':
        return { body: this.#send(body as unknown as Outgoing) };
      case 'modify_message':
        return one(this.#message(asked.path['id']), (message) => relabelled(message, body));
      case 'list_threads':
        return listed('threads', asked, [...new Set(this.#found(asked).map(({ threadId }) => threadId))].map((id) => ({ id, snippet: '', historyId: '1000' })));
      case 'get_thread': {
        const messages = this.#mail.filter(({ threadId }) => threadId === asked.path['id']).reverse();
        return messages.length === 0 ? NOT_FOUND : { body: { id: asked.path['id'], historyId: '1000', messages: messages.map((message) => shown(message, asked)) } };
      }
      case 'list_labels':
        return { body: { labels: LABELS } };
      case 'list_drafts':
        return listed('drafts', asked, [...this.#drafts].map(([id, { id: message, threadId }]) => ({ id, message: { id: message, threadId } })));
      case 'get_draft':
        return one(this.#drafts.get(asked.path['id']!), (message) => ({ id: asked.path['id'], message: shown(message, asked) }));
      case 'create_draft':
        return { body: this.#draft(`r-${this.#count + 1}`, body['message'] as Outgoing) };
      case 'update_draft':
        return one(this.#drafts.get(asked.path['id']!), () => this.#draft(asked.path['id']!, body['message'] as Outgoing));
      case 'send_draft':
        return one(this.#drafts.get(String(body['id'])), (message) => {
          this.#drafts.delete(String(body['id']));
          return { id: message.id, threadId: message.threadId, labelIds: ['SENT'] };
        });
      case 'delete_draft':
        return this.#drafts.delete(asked.path['id']!) ? { status: 204 } : NOT_FOUND;
    }
    throw new Error(`${asked.id} is not played here`);
  }

  #found({ query }: Asked): Message[] {
    const wanted = query['labelIds'] ?? [];
    const word = query['q']?.[0] ?? '';
    return this.#mail.filter((message) => {
      const from = message.payload?.headers?.find(({ name }) => name === 'From')?.value ?? '';
      return wanted.every((label) => message.labelIds?.includes(label)) && from.includes(word.replace(/^from:/, ''));
    });
  }

  #message(id: string | undefined): Message | undefined {
    return [...this.#mail, ...this.#drafts.values()].find((message) => message.id === id);
  }

  #send({ raw, threadId }: Outgoing) {
    const message = written(++this.#count, raw, threadId, ['SENT']);
    this.#mail.unshift(message);
    return { id: message.id, threadId: message.threadId, labelIds: message.labelIds };
  }

  #draft(id: string, { raw, threadId }: Outgoing) {
    const message = written(++this.#count, raw, threadId, ['DRAFT']);
    this.#drafts.set(id, message);
    return { id, message: { id: message.id, threadId: message.threadId, labelIds: message.labelIds } };
  }
}

function one<T>(found: T | undefined, answer: (found: T) => unknown): Answer {
  return found === undefined ? NOT_FOUND : { body: answer(found) };
}

/** Gmail leaves out what is empty: the list, and the token of a page that does not exist. */
function listed(name: string, { query }: Asked, all: unknown[]): Answer {
  const size = Number(query['maxResults']?.[0] ?? 100);
  const start = Number(query['pageToken']?.[0]?.slice('page-'.length) ?? 0);
  const page = all.slice(start, start + size);
  const more = start + size < all.length ? { nextPageToken: `page-${start + size}` } : {};
  return { body: { ...(page.length > 0 && { [name]: page }), ...more, resultSizeEstimate: all.length } };
}

function shown(message: Message, { query }: Asked): Message {
  if (query['format']?.[0] !== 'metadata') return message;
  const wanted = query['metadataHeaders']?.map((name) => name.toLowerCase());
  const { mimeType, headers = [] } = message.payload ?? {};
  return { ...message, payload: { mimeType, headers: headers.filter(({ name }) => wanted?.includes(name!.toLowerCase()) ?? true) } };
}

function relabelled(message: Message, { addLabelIds = [], removeLabelIds = [] }: gmail_v1.Schema$ModifyMessageRequest) {
  const kept = (message.labelIds ?? []).filter((label) => !removeLabelIds!.includes(label));
  message.labelIds = [...new Set([...kept, ...addLabelIds!])];
  return { id: message.id, threadId: message.threadId, labelIds: message.labelIds };
}
