import { useState } from 'preact/hooks';
import { all } from '../api/client.ts';
import type { McpType } from '../api/types.ts';
import { instances } from '../live/fleet.ts';
import { isAdmin, mayChange } from '../session.ts';
import { PageHead } from '../shell.tsx';
import { count, safeLink, spoken } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { Empty, Loaded, useLoad } from '../ui/load.tsx';
import { AddTypeDialog, DeleteTypeDialog } from './type-dialogs.tsx';

export function TypesPage() {
  const types = useLoad('types', (signal) => all<McpType>('/v1/types', signal));
  const [open, setOpen] = useState<'add' | McpType | null>(null);
  const close = () => setOpen(null);
  return (
    <>
      <PageHead title="Types" note="The kinds of servers that this daemon can start.">
        {isAdmin.value && (
          <>
            <a class="button" href="#/types/import">
              <Icon name="bring" size={18} />
              Import
            </a>
            <button type="button" class="primary" onClick={() => setOpen('add')}>
              <Icon name="plus" size={18} />
              Add type
            </button>
          </>
        )}
      </PageHead>
      {open === 'add' && <AddTypeDialog onClose={close} onDone={types.reload} />}
      {open !== null && open !== 'add' && <DeleteTypeDialog type={open} onClose={close} onDone={types.reload} />}
      <Loaded of={types} rows={6}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No types">
              <p>
                An administrator adds one with <code>minimcp types add FILE</code>.
              </p>
            </Empty>
          ) : (
            <ul class="cards">
              {list.map((type) => (
                <TypeCard key={type.name} type={type} onDelete={() => setOpen(type)} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </>
  );
}

function TypeCard({ type, onDelete }: { type: McpType; onDelete: () => void }) {
  const { required, optional } = type.credential_fields;
  const { max_memory_mb: memory, max_cpu_percent: cpu } = type.resource_limits;
  const uses = instances.value.filter(({ mcp_type }) => mcp_type === type.name).length;
  const bounds = [memory !== null && `${memory} MiB`, cpu !== null && `${cpu} % CPU`].filter(Boolean).join(', ');
  return (
    <li class="card">
      <div class="card-head">
        <h2>{type.display_name}</h2>
        <span class="tag">{type.lane === 'http' ? 'HTTP' : 'stdio'}</span>
        {type.warm > 0 && <span class="tag">{type.warm} kept warm</span>}
      </div>
      <p>{type.description}</p>
      <dl class="facts">
        <dt>Name</dt>
        <dd>
          <code>{type.name}</code>
        </dd>
        <dt>Credentials</dt>
        <dd>
          {required.length + optional.length === 0 ? 'none' : required.map(spoken).join(', ')}
          {optional.length > 0 && (
            <span class="muted">
              {required.length > 0 ? '; ' : ''}optional: {optional.map(spoken).join(', ')}
            </span>
          )}
        </dd>
        <dt>Limits</dt>
        <dd>{bounds === '' ? 'none' : bounds}</dd>
        <dt>Servers</dt>
        <dd>
          {uses === 0 ? 'none' : <a href={`#/?type=${encodeURIComponent(type.name)}`}>{count(uses, 'server')}</a>}
        </dd>
      </dl>
      <details>
        <summary>What it can do and needs</summary>
        {type.capabilities.length > 0 && (
          <p class="tags">
            {type.capabilities.map((each) => (
              <span key={each} class="tag">
                {spoken(each)}
              </span>
            ))}
          </p>
        )}
        {type.required_scopes.length > 0 && (
          <>
            <h3 class="label">Scopes of its credentials</h3>
            <ul class="plain-list">
              {type.required_scopes.map((scope) => (
                <li key={scope}>
                  <Scope text={scope} />
                </li>
              ))}
            </ul>
          </>
        )}
        <h3 class="label">Program</h3>
        <p>
          <code class="wrap">{[programOf(type), ...type.args].join(' ')}</code>
        </p>
        {type.installation !== null && (
          <p class={type.installation.status === 'failed' ? 'error' : 'muted'}>
            {INSTALLATION[type.installation.status]}
            {type.installation.detail !== null && ` ${type.installation.detail}`}
          </p>
        )}
        <p class="muted">
          Health: {type.health_check.kind}
          {type.health_check.endpoint !== null && ` ${type.health_check.endpoint}`}, every{' '}
          {type.health_check.interval_seconds} s.
        </p>
      </details>
      {mayChange.value && (
        <div class="card-actions">
          <a class="button" href={`#/new?type=${encodeURIComponent(type.name)}`}>
            New server<span class="visually-hidden"> of type {type.display_name}</span>
          </a>
          {isAdmin.value && !type.builtin && (
            <button type="button" class="danger-quiet" onClick={onDelete}>
              Remove<span class="visually-hidden"> {type.display_name}</span>
            </button>
          )}
        </div>
      )}
    </li>
  );
}

const INSTALLATION = {
  absent: 'It is installed when a server first needs it.',
  installing: 'It is being installed.',
  installed: 'It is installed.',
  failed: 'It could not be installed; the next start tries again.',
};

function programOf({ server_script, command, package: from }: McpType): string {
  return from === null ? (server_script ?? command ?? '') : `${from.registry} ${from.name}@${from.version}`;
}

/** Some vendors name scopes by addresses. */
function Scope({ text }: { text: string }) {
  const link = safeLink(text);
  return link === null ? (
    <code>{text}</code>
  ) : (
    <a href={link} rel="noreferrer noopener" target="_blank">
      {text}
    </a>
  );
}
