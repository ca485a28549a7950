// What lies in the mailbox. The types are those of Google's client, so that an answer the API could not give does not
// compile.
import type { gmail_v1 } from '@googleapis/gmail';

type Message = gmail_v1.Schema$Message;
type Part = gmail_v1.Schema$MessagePart;

const encoded = (content: string | Buffer) => Buffer.from(content).toString('base64url');

const headers = (fields: Record<string, string>) => Object.entries(fields).map(([name, value]) => ({ name, value }));

const leaf = (partId: string, contentType: string, content: string | Buffer, more: Partial<Part> = {}): Part => ({
  partId,
  mimeType: contentType.split(';')[0]!,
  filename: '',
  headers: headers({ 'Content-Type': contentType }),
  body: { size: Buffer.byteLength(content), data: encoded(content) },
  ...more,
});

const multipart = (partId: string, mimeType: string, parts: Part[], fields: Record<string, string> = {}): Part => ({
  partId,
  mimeType,
  filename: '',
  headers: headers({ ...fields, 'Content-Type': `${mimeType}; boundary=x` }),
  body: { size: 0 },
  parts,
});

const file = (partId: string, filename: string, mimeType: string, size: number, attachmentId: string): Part => ({
  partId,
  mimeType,
  filename,
  headers: headers({ 'Content-Type': mimeType, 'Content-Disposition': `attachment; filename="${filename}"` }),
  body: { size, attachmentId },
});

/** Contents of the files that Gmail keeps aside. */
export const FILES: Record<string, Buffer> = {
  'ANGjdJ-report': Buffer.from([0x25, 0x50, 0x44, 0x46, 0xff, 0x00]),
  'ANGjdJ-table': Buffer.from('name;city\nJürgen;Köln\n', 'latin1'),
  'ANGjdJ-forwarded': Buffer.from('Subject: Old\r\n\r\nForwarded'),
  'ANGjdJ-empty': Buffer.alloc(0),
};

const WINTER = Date.parse('2026-11-01T08:00:00Z');

const message = (number: number, thread: number, payload: Part, labelIds: string[], snippet: string): Message => ({
  id: `18c000000000000${number}`,
  threadId: `18c000000000000${thread}`,
  labelIds,
  snippet,
  historyId: '1000',
  internalDate: String(WINTER + number * 60_000),
  sizeEstimate: 2000,
  payload,
});

const addressed = (from: string, subject: string, more: Record<string, string> = {}) => ({
  From: from,
  To: 'me@example.com',
  Subject: subject,
  ...more,
});

const report = multipart(
  '',
  'multipart/mixed',
  [
    multipart('0', 'multipart/alternative', [
      leaf('0.0', 'text/plain; charset="utf-8"', 'Grüße,\r\nthe report is attached.\r\n'),
      leaf('0.1', 'text/html; charset="utf-8"', '<p>Grüße,<br>the <b>report</b> is attached.</p>'),
    ]),
    file('1', 'report.pdf', 'application/pdf', 6, 'ANGjdJ-report'),
    { ...file('2', 'table.csv', 'text/csv', 22, 'ANGjdJ-table'), headers: headers({ 'Content-Type': 'text/csv; charset=iso-8859-1' }) },
    file('3', 'film.mp4', 'video/mp4', 20_000_000, 'ANGjdJ-film'),
    { ...file('4', '', 'message/rfc822', 26, 'ANGjdJ-forwarded'), parts: [leaf('4.0', 'text/plain', 'Forwarded')] },
    file('5', 'empty.txt', 'text/plain', 0, 'ANGjdJ-empty'),
  ],
  addressed('"Lovelace, Ada" <ada@example.com>', '=?UTF-8?B?VGhlIMO8YmVy?= =?UTF-8?Q?_report?=', {
    Cc: 'Charles <charles@example.com>',
    'Message-ID': '<report@example.com>',
    References: '<first@example.com> <second@example.com>',
    'Reply-To': 'Ada <ada+reports@example.com>',
  }),
);

const answer = leaf('', 'text/html; charset=iso-8859-1', Buffer.from('<p>Schöne <a href="https://example.com/x">Grüße</a></p>', 'latin1'), {
  headers: headers({
    ...addressed('Charles <charles@example.com>', 'Re: The über report', { 'Message-Id': '<answer@example.com>', 'In-Reply-To': '<report@example.com>' }),
    'Content-Type': 'text/html; charset=iso-8859-1',
  }),
});

const japanese = leaf('', 'text/plain; charset=iso-2022-jp', Buffer.from('\x1b$B$3$s$K$A$O\x1b(B', 'latin1'), {
  headers: headers({ ...addressed('hanako@example.jp', 'Hello', {}), 'Content-Type': 'text/plain; charset=iso-2022-jp' }),
});

/** The newest first, as Gmail lists them. */
export const MAIL: readonly Message[] = [
  message(3, 3, japanese, ['INBOX', 'UNREAD'], 'Tom &amp; Jerry&#39;s &lt;show&gt;'),
  message(2, 1, answer, ['INBOX'], 'Schöne Grüße'),
  message(1, 1, report, ['INBOX', 'Label_7'], 'Grüße, the report'),
];

export const LABELS: gmail_v1.Schema$Label[] = [
  { id: 'INBOX', name: 'INBOX', type: 'system', messageListVisibility: 'hide' },
  { id: 'UNREAD', name: 'UNREAD', type: 'system' },
  { id: 'Label_7', name: 'Reports', type: 'user', messagesTotal: 1 },
];

/** A draft as it is read back: the headers of what was written. */
export function written(number: number, raw: string, threadId: string | undefined, labelIds: string[]): Message {
  const [head = ''] = Buffer.from(raw, 'base64url').toString().split('\r\n\r\n', 1);
  const fields = head.replace(/\r\n[ \t]+/g, ' ').split('\r\n').map((line) => /^([^:]+):\s*(.*)$/.exec(line)!);
  const payload: Part = { partId: '', mimeType: 'text/plain', headers: fields.map(([, name, value]) => ({ name: name!, value: value! })) };
  const id = `18d000000000000${number}`;
  return { id, threadId: threadId ?? id, labelIds, snippet: '', internalDate: String(WINTER + number * 3_600_000), payload };
}
