import { get } from '../api/client.ts';
import type { Actor, Page } from '../api/types.ts';
import { nameOf } from '../live/alerts.ts';
import { fleet } from '../live/fleet.ts';
import { PageHead } from '../shell.tsx';
import { count, duration } from '../ui/format.ts';
import { Loaded, useLoad } from '../ui/load.tsx';
import { StatusBadge } from '../ui/status.tsx';

const EVERY_MS = 3_000;

interface Branch {
  path: string;
  /** Missing where only something below it runs. */
  actor: Actor | null;
  below: Branch[];
}

export function ActorsPage() {
  const actors = useLoad('actors', async (signal) => (await get<Page<Actor>>('/v1/actors', signal)).items, EVERY_MS);
  return (
    <>
      <PageHead
        title="Actors"
        note={actors.data === null ? ' ' : `${count(actors.data.length, 'actor')} at work. Looked at every 3 seconds.`}
      />
      <Loaded of={actors} rows={6}>
        {(list) => <Tree branches={treeOf(list)} />}
      </Loaded>
    </>
  );
}

function Tree({ branches }: { branches: readonly Branch[] }) {
  return (
    <ul class="tree">
      {branches.map((branch) => (
        <li key={branch.path}>
          <Node branch={branch} />
        </li>
      ))}
    </ul>
  );
}

function Node({ branch: { path, actor, below } }: { branch: Branch }) {
  const name = path.split('/').at(-1)!;
  const instance = fleet.value.get(name);
  return (
    <>
      <div class="actor">
        <div class="actor-name">
          {instance === undefined ? <strong>{name}</strong> : <a href={`#/instances/${name}`}>{nameOf(instance)}</a>}
          {actor !== null && actor.kind !== name && <span class="muted"> {actor.kind}</span>}
          {actor?.state != null && <StatusBadge status={actor.state} />}
        </div>
        {actor !== null && (
          <dl class="actor-figures">
            <Figure name="Mailbox" value={String(actor.mailbox_depth)} alarming={actor.mailbox_depth > 100} />
            <Figure name="Handled" value={actor.messages_handled.toLocaleString('en')} />
            <Figure
              name="Last"
              value={actor.last_message_age_ms === null ? '–' : `${duration(actor.last_message_age_ms)} ago`}
            />
            {actor.kind === 'instance' && <Figure name="Run" value={String(actor.generation)} />}
            {actor.restarts_in_window !== null && (
              <Figure
                name="Restarts"
                value={String(actor.restarts_in_window)}
                alarming={actor.restarts_in_window > 2}
              />
            )}
            <Figure name="Up" value={duration(actor.uptime_seconds * 1_000)} />
          </dl>
        )}
      </div>
      {below.length > 0 && <Tree branches={below} />}
    </>
  );
}

function Figure({ name, value, alarming = false }: { name: string; value: string; alarming?: boolean }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={alarming ? 'figure soon' : 'figure'}>{value}</dd>
    </div>
  );
}

/** Actors come as paths; the tree is in them. */
function treeOf(actors: readonly Actor[]): Branch[] {
  const root: Branch = { path: '', actor: null, below: [] };
  const branches = new Map<string, Branch>([['', root]]);
  const branchAt = (path: string): Branch => {
    const known = branches.get(path);
    if (known !== undefined) return known;
    const made: Branch = { path, actor: null, below: [] };
    branches.set(path, made);
    branchAt(path.slice(0, path.lastIndexOf('/'))).below.push(made);
    return made;
  };
  for (const actor of [...actors].sort((a, b) => a.path.localeCompare(b.path))) branchAt(actor.path).actor = actor;
  return root.below;
}
