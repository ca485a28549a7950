import { useEffect, useState } from 'preact/hooks';
import { get } from '../api/client.ts';
import type { Page, Transition } from '../api/types.ts';
import { latest } from '../live/fleet.ts';
import { clockTime, moment } from '../ui/format.ts';
import { Loaded, useLoad } from '../ui/load.tsx';
import { Panel } from '../ui/panel.tsx';
import { LOOKS, Mark } from '../ui/status.tsx';

const PAGE = 12;

/** The changes of its status, the newest first; new ones come by themselves. */
export function History({ id }: { id: string }) {
  const [limit, setLimit] = useState(PAGE);
  const [live, setLive] = useState<readonly Transition[]>([]);
  const past = useLoad(`${id} ${limit}`, (signal) =>
    get<Page<Transition>>(`/v1/instances/${id}/transitions?limit=${limit}`, signal),
  );
  const newest = latest.value;
  useEffect(() => {
    if (newest !== null && newest.instance_id === id) setLive((old) => [newest, ...old].slice(0, 100));
  }, [newest]);
  return (
    <Panel title="History">
      <Loaded of={past} rows={PAGE / 2}>
        {({ items, next_cursor }) => {
          const known = new Set(items.map(({ seq }) => seq));
          const rows = [...live.filter(({ seq }) => !known.has(seq)), ...items];
          return (
            <>
              <ol class="history">
                {rows.map(({ seq, to, reason, at, generation }) => (
                  <li key={seq}>
                    <Mark tone={LOOKS[to].tone} />
                    <div>
                      <p>
                        <strong>{LOOKS[to].label}</strong>{' '}
                        <time class="muted" dateTime={at} title={moment(at)}>
                          {clockTime(at)}
                        </time>
                      </p>
                      <p class="history-reason">
                        {reason}
                        {generation > 0 && <span class="muted"> · run {generation}</span>}
                      </p>
                    </div>
                  </li>
                ))}
              </ol>
              {next_cursor !== null && (
                <button type="button" onClick={() => setLimit(Math.min(500, limit * 4))}>
                  Show older
                </button>
              )}
            </>
          );
        }}
      </Loaded>
    </Panel>
  );
}
