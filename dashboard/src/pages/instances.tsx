import { useEffect, useRef, useState } from 'preact/hooks';
import { fleet, instances, loaded, loadError, refresh } from '../live/fleet.ts';
import { query, replace } from '../router.ts';
import { mayChange, me, seesAll } from '../session.ts';
import { PageHead } from '../shell.tsx';
import { count } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { Empty, Skeleton, Trouble } from '../ui/load.tsx';
import { GROUPS } from '../ui/status.tsx';
import { people } from '../live/people.ts';
import { COLUMNS, InstanceRow } from './instance-row.tsx';
import { chosen, shownOf, type Choice, type Column } from './instance-order.ts';

/** Rows shown at once; more on request, so that ten thousand servers do not stop the browser. */
const STEP = 200;

export function InstancesPage() {
  const [limit, setLimit] = useState(STEP);
  const choice = chosen(query.value);
  const mine = instances.value.filter((instance) => !choice.own || instance.user_id === me.value!.id);
  const rows = shownOf(mine, choice, people.value);
  const columns = COLUMNS.filter(({ key }) => key !== 'user' || seesAll.value);
  const up = mine.filter(({ status }) => status === 'running').length;
  return (
    <>
      <PageHead title="Servers" note={loaded.value ? `${up} of ${count(mine.length, 'server')} running` : ' '}>
        {mayChange.value && (
          <a class="button primary" href="#/new">
            <Icon name="plus" size={18} />
            New server
          </a>
        )}
      </PageHead>
      {loadError.value !== null && <Trouble text={loadError.value} retry={() => void refresh()} />}
      <Filters choice={choice} />
      {!loaded.value && loadError.value === null && <Skeleton rows={6} />}
      {loaded.value && fleet.value.size === 0 && <Beginning />}
      {fleet.value.size > 0 && rows.length === 0 && (
        <Empty title="No server fits">
          <p>None of {count(mine.length, 'server')} has what you look for.</p>
          <button type="button" onClick={() => replace('/')}>
            Show all
          </button>
        </Empty>
      )}
      {rows.length > 0 && (
        <div class="table-frame">
          <table class="fleet as-cards">
            <caption class="visually-hidden">Servers, {rows.length} shown</caption>
            <thead>
              <tr>
                {columns.map(({ key, label, numeric }) => (
                  <th
                    key={key}
                    scope="col"
                    class={numeric ? 'numeric' : undefined}
                    aria-sort={choice.sort === key ? (choice.down ? 'descending' : 'ascending') : 'none'}
                  >
                    <button type="button" class="sort" onClick={() => sortBy(choice, key)}>
                      {label}
                      <span class="sort-mark">
                        {choice.sort === key && <Icon name={choice.down ? 'down' : 'up'} size={14} />}
                      </span>
                    </button>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.slice(0, limit).map((instance) => (
                <InstanceRow key={instance.id} instance={instance} withUser={seesAll.value} />
              ))}
            </tbody>
          </table>
          {rows.length > limit && (
            <button type="button" class="more" onClick={() => setLimit(limit + STEP)}>
              Show {Math.min(STEP, rows.length - limit)} more of {rows.length - limit}
            </button>
          )}
        </div>
      )}
    </>
  );
}

function Beginning() {
  return (
    <Empty title="No servers yet">
      <p>
        A server is an MCP program of yours that MiniMCP keeps alive. Start one, and get an address and a token to paste
        into Claude Code, Cursor or VS Code.
      </p>
      {mayChange.value ? (
        <a class="button primary" href="#/new">
          <Icon name="plus" size={18} />
          Start the first one
        </a>
      ) : (
        <p class="muted">As an operator you see everybody's, and nobody has one.</p>
      )}
    </Empty>
  );
}

function Filters({ choice }: { choice: Choice }) {
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const slash = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.closest('input, textarea, select, dialog');
      if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      search.current?.focus();
    };
    addEventListener('keydown', slash);
    return () => removeEventListener('keydown', slash);
  }, []);
  const all = instances.value;
  const types = [...new Set(all.map(({ mcp_type }) => mcp_type))].sort();
  const change = (part: Partial<Choice>) => replace(addressOf({ ...choice, ...part }));
  const inGroup = (key: string) => {
    const group = GROUPS.find((each) => each.key === key)!;
    return all.filter(
      ({ status, user_id }) => group.statuses.includes(status) && (!choice.own || user_id === me.value!.id),
    ).length;
  };
  return (
    <div class="filters" role="search">
      <div class="search">
        <Icon name="search" size={18} />
        <input
          ref={search}
          type="search"
          value={choice.text}
          placeholder="Search"
          aria-label="Search servers"
          aria-keyshortcuts="/"
          onInput={(event) => change({ text: event.currentTarget.value })}
        />
        <kbd aria-hidden="true">/</kbd>
      </div>
      <div class="chips" role="group" aria-label="By status">
        <button type="button" aria-pressed={choice.group === ''} onClick={() => change({ group: '' })}>
          All
        </button>
        {GROUPS.map(({ key, label }) => (
          <button
            key={key}
            type="button"
            aria-pressed={choice.group === key}
            onClick={() => change({ group: choice.group === key ? '' : key })}
          >
            {label} <span class="chip-count">{inGroup(key)}</span>
          </button>
        ))}
      </div>
      <select
        aria-label="By type"
        value={choice.type}
        onChange={(event) => change({ type: event.currentTarget.value })}
      >
        <option value="">All types</option>
        {types.map((type) => (
          <option key={type} value={type}>
            {type}
          </option>
        ))}
      </select>
      {seesAll.value && mayChange.value && (
        <label class="only-own">
          <input
            type="checkbox"
            checked={choice.own}
            onChange={(event) => change({ own: event.currentTarget.checked })}
          />{' '}
          Only mine
        </label>
      )}
      <select
        class="phone-sort"
        aria-label="Order"
        value={`${choice.sort}${choice.down ? '-' : ''}`}
        onChange={(event) =>
          change({
            sort: event.currentTarget.value.replace('-', '') as Column,
            down: event.currentTarget.value.endsWith('-'),
          })
        }
      >
        {COLUMNS.map(({ key, label }) => [
          <option key={key} value={key}>
            {label}, rising
          </option>,
          <option key={`${key}-`} value={`${key}-`}>
            {label}, falling
          </option>,
        ])}
      </select>
    </div>
  );
}

function sortBy(choice: Choice, key: Column): void {
  const down = choice.sort === key ? !choice.down : COLUMNS.find((column) => column.key === key)!.numeric;
  replace(addressOf({ ...choice, sort: key, down }));
}

function addressOf({ text, group, type, own, sort, down }: Choice): string {
  const parameters = new URLSearchParams();
  if (text !== '') parameters.set('q', text);
  if (group !== '') parameters.set('status', group);
  if (type !== '') parameters.set('type', type);
  if (own) parameters.set('own', '1');
  if (sort !== 'status' || down) parameters.set('sort', `${sort}${down ? '-' : ''}`);
  const words = parameters.toString();
  return words === '' ? '/' : `/?${words}`;
}
