// Who did what, the newest first, and whether the trail of it is as it was written.

import { useEffect, useState } from 'preact/hooks';
import { get, wordsOf } from '../api/client.ts';
import type { AuditPage as Part, AuditRecord } from '../api/types.ts';
import { people } from '../live/people.ts';
import { query, replace } from '../router.ts';
import { PageHead } from '../shell.tsx';
import { Empty, Loaded, Trouble, useLoad } from '../ui/load.tsx';
import { ChainState } from './chain.tsx';
import { Records } from './records.tsx';

const PAGE = 50;
const DAY_S = 86_400;
/** How far back, in seconds. */
const SPANS: readonly { key: string; label: string; seconds: number }[] = [
  { key: 'hour', label: 'The last hour', seconds: 3_600 },
  { key: 'day', label: 'The last day', seconds: DAY_S },
  { key: 'week', label: 'The last 7 days', seconds: 7 * DAY_S },
  { key: 'month', label: 'The last 30 days', seconds: 30 * DAY_S },
];

interface Choice {
  user: string;
  since: string;
}

function chosen(parameters: URLSearchParams): Choice {
  const since = parameters.get('since') ?? '';
  return { user: parameters.get('user') ?? '', since: SPANS.some(({ key }) => key === since) ? since : '' };
}

function addressOf({ user, since }: Choice): string {
  const parameters = new URLSearchParams();
  if (user !== '') parameters.set('user', user);
  if (since !== '') parameters.set('since', since);
  const words = parameters.toString();
  return words === '' ? '/audit' : `/audit?${words}`;
}

/** The parameters of the API for what was chosen, as of now. */
function wanted({ user, since }: Choice): string {
  const parameters = new URLSearchParams({ limit: String(PAGE) });
  const span = SPANS.find(({ key }) => key === since);
  if (user !== '') parameters.set('user_id', user);
  if (span !== undefined) parameters.set('since', new Date(Date.now() - span.seconds * 1_000).toISOString());
  return parameters.toString();
}

export function AuditPage() {
  const choice = chosen(query.value);
  const [recheck, setRecheck] = useState(0);
  const key = `audit ${choice.user} ${choice.since} ${recheck}`;
  const trail = useLoad(key, async (signal) => {
    const parameters = wanted(choice);
    const anew = recheck > 0 ? '&recheck=true' : '';
    return { parameters, part: await get<Part>(`/v1/audit?${parameters}${anew}`, signal) };
  });
  return (
    <>
      <PageHead title="Audit" note="Who did what, and what came of it. Nothing here can be changed.">
        <button type="button" onClick={trail.reload}>
          Look again
        </button>
      </PageHead>
      {trail.data !== null && <ChainState page={trail.data.part} onCheck={() => setRecheck(recheck + 1)} />}
      <Filters choice={choice} />
      <Loaded of={trail} rows={8}>
        {({ parameters, part }) => (
          <Trail
            key={parameters}
            parameters={parameters}
            first={part}
            filtered={choice.user !== '' || choice.since !== ''}
          />
        )}
      </Loaded>
    </>
  );
}

function Filters({ choice }: { choice: Choice }) {
  const change = (part: Partial<Choice>) => replace(addressOf({ ...choice, ...part }));
  const users = [...people.value].sort(([, a], [, b]) => a.localeCompare(b));
  // Somebody who was deleted may have done something before.
  const gone = choice.user !== '' && !people.value.has(choice.user);
  return (
    <div class="filters" role="search">
      <select
        class="trail-filter"
        aria-label="By user"
        value={choice.user}
        onChange={(event) => change({ user: event.currentTarget.value })}
      >
        <option value="">Everybody</option>
        {users.map(([id, name]) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
        {gone && <option value={choice.user}>{choice.user}</option>}
      </select>
      <select
        class="trail-filter"
        aria-label="Since"
        value={choice.since}
        onChange={(event) => change({ since: event.currentTarget.value })}
      >
        <option value="">Any time</option>
        {SPANS.map(({ key, label }) => (
          <option key={key} value={key}>
            {label}
          </option>
        ))}
      </select>
    </div>
  );
}

/** The records, and older ones on request: a part of the trail at a time, as the daemon reads it. */
function Trail({ parameters, first, filtered }: { parameters: string; first: Part; filtered: boolean }) {
  const [older, setOlder] = useState<readonly AuditRecord[]>([]);
  const [cursor, setCursor] = useState(first.next_cursor);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    setOlder([]);
    setCursor(first.next_cursor);
  }, [first]);
  const records = [...first.items, ...older];
  const more = async () => {
    setBusy(true);
    setError(null);
    try {
      const next = await get<Part>(`/v1/audit?${parameters}&cursor=${encodeURIComponent(cursor!)}`);
      setOlder([...older, ...next.items]);
      setCursor(next.next_cursor);
    } catch (thrown) {
      setError(wordsOf(thrown));
    }
    setBusy(false);
  };
  return (
    <>
      {records.length > 0 && <Records records={records} />}
      {records.length === 0 && (
        <Empty title={cursor === null ? 'No record fits' : 'No record fits so far'}>
          <p>
            {cursor !== null
              ? 'The trail is read a part at a time. Older parts may hold some.'
              : filtered
                ? 'Nobody did anything of the kind in that time.'
                : 'Nothing has been done yet.'}
          </p>
        </Empty>
      )}
      {error !== null && <Trouble text={error} />}
      {cursor !== null && (
        <button type="button" class="older" disabled={busy} onClick={() => void more()}>
          {busy ? 'Reading…' : 'Show older'}
        </button>
      )}
    </>
  );
}
