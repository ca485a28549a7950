import { useState } from 'preact/hooks';
import { Refused, send, wordsOf } from '../api/client.ts';
import type { Me } from '../api/types.ts';
import { farewell, signIn } from '../session.ts';
import { SecretField } from '../ui/field.tsx';
import { Logo } from '../ui/icons.tsx';
import { ThemeButton } from '../ui/theme.tsx';

export function SignIn() {
  const [text, setText] = useState('');
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    const shown = text.trim();
    const wrong = mistake(shown);
    if (wrong !== null) return setError(wrong);
    setBusy(true);
    setError(null);
    try {
      const response = await send('/v1/me', { as: shown });
      signIn(shown, (await response.json()) as Me);
    } catch (thrown) {
      setError(
        thrown instanceof Refused && thrown.status === 401
          ? 'The daemon does not know this token. Check that all of it was copied, and that it was not revoked.'
          : wordsOf(thrown),
      );
      setBusy(false);
    }
  };
  return (
    <main class="door">
      <form class="door-card" onSubmit={(event) => void submit(event)}>
        <div class="door-head">
          <Logo />
          <ThemeButton />
        </div>
        <h1>Sign in to MiniMCP</h1>
        <p class="muted">Your MCP servers, live: what runs, what it uses, and what needs you.</p>
        {farewell.value !== null && (
          <p class="notice notice-warn" role="status">
            {farewell.value}
          </p>
        )}
        <SecretField
          label="API token"
          value={text}
          onInput={setText}
          required
          autoFocus
          kept="current-password"
          hint={
            <>
              It begins with <code>mmcp_api_</code>. It stays in this tab and is forgotten with it.
            </>
          }
          error={error ?? undefined}
        />
        <button type="submit" class="primary wide" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
        <details open>
          <summary>Where do I find a token?</summary>
          <p>The administrator's lies in the daemon's data directory, on the daemon's own machine:</p>
          <pre tabIndex={0} aria-label="Command that shows the administrator's token">
            cat data/admin.token
          </pre>
          <p>
            An administrator can make one for you, here under Users or with <code>minimcp tokens add</code>.
          </p>
        </details>
      </form>
    </main>
  );
}

/** What can be seen to be wrong without asking. */
function mistake(shown: string): string | null {
  if (shown === '') return 'Paste your token first.';
  if (/\s/.test(shown)) return 'A token has no spaces or line breaks. Copy only the token itself.';
  if (shown.startsWith('mmcp_inst_')) {
    return 'This is the access token of one server, for MCP clients. The dashboard needs an API token, which begins with mmcp_api_.';
  }
  return /^[\x21-\x7e]+$/.test(shown) ? null : 'A token has no such characters. Copy it again.';
}
