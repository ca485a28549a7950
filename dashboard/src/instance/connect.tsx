// How MCP clients reach the server: its address, its token while it is new, and what to paste where.

import { useEffect, useState } from 'preact/hooks';
import { get, Refused } from '../api/client.ts';
import type { ClientConfig, Instance } from '../api/types.ts';
import { isOwn } from '../session.ts';
import { Copyable } from '../ui/copy.tsx';
import { Panel } from '../ui/panel.tsx';
import { useLoad } from '../ui/load.tsx';
import { forgetToken, freshTokens } from './fresh-token.ts';

const CLIENTS = [
  { key: 'claude-code', label: 'Claude Code' },
  { key: 'cursor', label: 'Cursor' },
  { key: 'vscode', label: 'VS Code' },
  { key: 'codex', label: 'Codex' },
  { key: 'inspector', label: 'Inspector' },
] as const;

export function Connect({ instance }: { instance: Instance }) {
  const token = freshTokens.value.get(instance.id);
  return (
    <Panel title="Connect">
      <h3 class="label">Address for MCP clients</h3>
      <Copyable text={instance.access_url} label="address" />
      {token !== undefined && (
        <div class="fresh" role="status">
          <h3>Access token, shown this once</h3>
          <Copyable text={token} label="access token" />
          <p class="hint">Keep it where your client does. If it is lost, make a new one.</p>
          <button type="button" onClick={() => forgetToken(instance.id)}>
            I have it, put it away
          </button>
        </div>
      )}
      {token === undefined && isOwn(instance.user_id) && (
        <p class="hint">
          Clients send the access token that was shown when the server was made. “New token” replaces it.
        </p>
      )}
      <Snippets id={instance.id} token={token ?? null} />
    </Panel>
  );
}

function Snippets({ id, token }: { id: string; token: string | null }) {
  const [client, setClient] = useState<string>(CLIENTS[0].key);
  const config = useLoad(`${id} ${client}`, (signal) => configFor(id, client, signal));
  // What was there stays until the next one is, so that nothing jumps.
  const [shown, setShown] = useState<ClientConfig | null>(null);
  useEffect(() => {
    if (config.data !== null) setShown(config.data);
  }, [config.data]);
  if (shown === null) return null;
  return (
    <div class="snippets">
      <h3 class="label" id="snippets-of">
        For your client
      </h3>
      <div class="chips chips-small" role="group" aria-labelledby="snippets-of">
        {CLIENTS.map(({ key, label }) => (
          <button key={key} type="button" aria-pressed={client === key} onClick={() => setClient(key)}>
            {label}
          </button>
        ))}
      </div>
      <p class="hint">{shown.instructions}</p>
      <Copyable block text={withToken(shown.snippet, token)} label={shown.file} />
      {shown.command !== null && <Copyable block text={shown.command} label="command" />}
      {token !== null && shown.token_variable !== null && (
        <Copyable block text={`export ${shown.token_variable}=${token}`} label="variable" />
      )}
      {config.error !== null && <p class="error">{config.error}</p>}
    </div>
  );
}

/** What to paste into a client, or null where the daemon is older than this page. */
async function configFor(id: string, client: string, signal: AbortSignal): Promise<ClientConfig | null> {
  try {
    return await get<ClientConfig>(`/v1/instances/${id}/client-config?client=${client}`, signal);
  } catch (error) {
    if (error instanceof Refused && error.code === 'route_not_found') return null;
    throw error;
  }
}

/** The one client that reads no variable gets the token where its place is, while it is at hand. */
function withToken(snippet: string, token: string | null): string {
  return token === null ? snippet : snippet.replace('YOUR_ACCESS_TOKEN', () => token);
}
