// How MCP clients reach the server: its address, its token while it is new, and what to paste where.

import { useState } from 'preact/hooks';
import { get, Refused } from '../api/client.ts';
import type { Instance } from '../api/types.ts';
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
          <button type="button" onClick={() => forgetToken(instance.id)}>I have it, put it away</button>
        </div>
      )}
      {token === undefined && isOwn(instance.user_id) && (
        <p class="hint">Clients send the access token that was shown when the server was made. “New token” replaces it.</p>
      )}
      <Snippets id={instance.id} token={token ?? null} />
    </Panel>
  );
}

/** A snippet as the daemon writes it: its text, and where it belongs. */
interface Snippet {
  text: string;
  where: string | null;
}

function Snippets({ id, token }: { id: string; token: string | null }) {
  const [client, setClient] = useState<string>(CLIENTS[0].key);
  const snippet = useLoad(`${id} ${client}`, (signal) => snippetOf(id, client, signal));
  const offered = useLoad(id, (signal) => snippetOf(id, CLIENTS[0].key, signal));
  if (offered.data === null) return null;
  return (
    <div class="snippets">
      <h3 class="label" id="snippets-of">For your client</h3>
      <div class="chips" role="group" aria-labelledby="snippets-of">
        {CLIENTS.map(({ key, label }) => (
          <button key={key} type="button" aria-pressed={client === key} onClick={() => setClient(key)}>{label}</button>
        ))}
      </div>
      {snippet.data !== null && (
        <>
          <Copyable block text={filled(snippet.data.text, token)} label="snippet" />
          {snippet.data.where !== null && <p class="hint">{snippet.data.where}</p>}
        </>
      )}
      {snippet.error !== null && <p class="hint">{snippet.error}</p>}
    </div>
  );
}

/** The snippet, or null where this daemon has none. */
async function snippetOf(id: string, client: string, signal: AbortSignal): Promise<Snippet | null> {
  try {
    return read(await get<unknown>(`/v1/instances/${id}/client-config?client=${client}`, signal));
  } catch (error) {
    if (error instanceof Refused && (error.status === 404 || error.status === 403)) return null;
    throw error;
  }
}

function read(answer: unknown): Snippet | null {
  if (typeof answer !== 'object' || answer === null) return null;
  const given = answer as Record<string, unknown>;
  const first = (...names: string[]) => names.map((name) => given[name]).find((value) => typeof value === 'string' && value !== '');
  const text = first('snippet', 'text', 'content');
  const where = first('instructions', 'where', 'note', 'hint');
  return typeof text === 'string' ? { text, where: typeof where === 'string' ? where : null } : null;
}

/** Puts a token that is at hand in the place that the daemon left for it. */
function filled(text: string, token: string | null): string {
  return token === null ? text : text.replace(/\$\{[^}]*TOKEN\}|\$[A-Z_]*TOKEN|<[a-z_ -]*token[a-z_ -]*>|YOUR_TOKEN/g, () => token);
}
