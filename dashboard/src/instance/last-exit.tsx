import type { Instance, LastExit } from '../api/types.ts';
import { Panel } from '../ui/panel.tsx';
import { Ago } from '../ui/time.tsx';

export function LastExitPart({ instance }: { instance: Instance }) {
  const last = instance.last_exit;
  if (last === null) return null;
  return (
    <Panel title="Last end of its process">
      <p>
        {how(last)}, <Ago at={last.at} />. <span class="muted">Cause: {last.cause.replace(/_/g, ' ')}.</span>
      </p>
      {last.stderr_tail === '' ? (
        <p class="muted">It wrote nothing to its error output.</p>
      ) : (
        <pre class="lines" tabIndex={0} aria-label="Last lines of its error output">
          {last.stderr_tail}
        </pre>
      )}
    </Panel>
  );
}

const SIGNALS: Record<number, string> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  6: 'SIGABRT',
  7: 'SIGBUS',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  15: 'SIGTERM',
  31: 'SIGSYS',
};

function how({ code, signal }: LastExit): string {
  if (signal !== null)
    return `Ended by signal ${signal}${SIGNALS[signal] === undefined ? '' : ` (${SIGNALS[signal]})`}`;
  if (code !== null) return `Exited with code ${code}`;
  return 'How it ended is not known';
}
