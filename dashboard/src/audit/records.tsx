// Records of the trail: a table, and on a phone one card each.

import type { AuditRecord, AuditResult } from '../api/types.ts';
import { personOf } from '../live/people.ts';
import { moment, shortId } from '../ui/format.ts';
import { Mark, type Tone } from '../ui/status.tsx';

const RESULTS: Record<AuditResult, { label: string; tone: Tone; meaning: string }> = {
  begun: { label: 'Begun', tone: 'idle', meaning: 'It was about to be done. Another record says what came of it.' },
  done: { label: 'Done', tone: 'good', meaning: 'It was done.' },
  refused: { label: 'Refused', tone: 'warn', meaning: 'It was refused, and nothing has changed.' },
  failed: { label: 'Failed', tone: 'bad', meaning: 'It failed. How far it got is not known.' },
};

export function Records({ records }: { records: readonly AuditRecord[] }) {
  return (
    <div class="table-frame">
      <table class="trail as-cards">
        <caption class="visually-hidden">Records, {records.length} shown, the newest first</caption>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Who</th>
            <th scope="col">What</th>
            <th scope="col">Result</th>
            <th scope="col">More</th>
          </tr>
        </thead>
        <tbody>
          {records.map((record) => (
            <Row key={record.seq} record={record} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ record }: { record: AuditRecord }) {
  const { seq, at, action, object, result, detail } = record;
  const { label, tone, meaning } = RESULTS[result];
  const more = Object.entries(detail ?? {}).filter(([, value]) => value !== null);
  return (
    <tr>
      <td class="trail-when">
        <time dateTime={at}>{moment(at)}</time>
        <span class="id">{seq}</span>
      </td>
      <td class="trail-who">
        {who(record)}
        {record.actor.address !== null && <span class="id">{record.actor.address}</span>}
      </td>
      <td class="trail-what">
        <code>{action}</code>
        {object?.id != null && (
          <span class="id" title={object.id}>
            {object.kind} {isId(object.id) ? `…${shortId(object.id)}` : object.id}
          </span>
        )}
      </td>
      <td class="trail-result">
        <span class={`badge badge-${tone}`} title={meaning}>
          <Mark tone={tone} />
          {label}
        </span>
      </td>
      <td class={more.length === 0 ? 'trail-more trail-none' : 'trail-more'}>
        {more.length > 0 && (
          <dl class="more-facts">
            {more.map(([name, value]) => (
              <div key={name}>
                <dt>{name === 'user_id' ? 'user' : name.replaceAll('_', ' ')}</dt>
                <dd title={typeof value === 'string' && isId(value) ? value : undefined}>{shown(name, value)}</dd>
              </div>
            ))}
          </dl>
        )}
      </td>
    </tr>
  );
}

function who({ actor: { kind, user_id } }: AuditRecord): string {
  const user = user_id === null ? null : personOf(user_id);
  switch (kind) {
    case 'user':
      return user ?? 'a user';
    case 'instance_token':
      return user === null ? 'an access token' : `an access token of ${user}`;
    case 'daemon':
      return user === null ? 'the daemon' : `the daemon for ${user}`;
    case 'nobody':
      return 'nobody known';
  }
}

function shown(name: string, value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  if (name === 'user_id') return personOf(value);
  return isId(value) ? `…${shortId(value)}` : value;
}

function isId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}
