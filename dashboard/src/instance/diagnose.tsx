import { useState } from 'preact/hooks';
import { get } from '../api/client.ts';
import type { Diagnosis, Instance } from '../api/types.ts';
import { spoken } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { Loaded, useLoad } from '../ui/load.tsx';
import { Panel } from '../ui/panel.tsx';
import { LOOKS } from '../ui/status.tsx';

/** Opens by itself where something is wrong. */
export function Diagnose({ instance }: { instance: Instance }) {
  const { tone } = LOOKS[instance.status];
  const troubled = tone === 'bad' || tone === 'warn';
  const [asked, setAsked] = useState(false);
  const open = asked || troubled;
  return (
    <Panel
      title="Diagnosis"
      tools={
        !open && (
          <button type="button" onClick={() => setAsked(true)}>
            Check now
          </button>
        )
      }
    >
      {open ? (
        <Findings instance={instance} />
      ) : (
        <p class="muted">Looks at its process, port, health and limits, and says what to do next.</p>
      )}
    </Panel>
  );
}

function Findings({ instance }: { instance: Instance }) {
  const diagnosis = useLoad(`${instance.id} ${instance.status} ${instance.generation}`, (signal) =>
    get<Diagnosis>(`/v1/instances/${instance.id}/diagnose`, signal),
  );
  return (
    <Loaded of={diagnosis} rows={5}>
      {({ summary, checks, next_steps, healthy }) => (
        <>
          <p class={healthy ? 'finding finding-good' : 'finding finding-bad'}>
            <strong>{summary}</strong>
          </p>
          <ul class="checks">
            {checks.map(({ name, ok, detail }) => (
              <li key={name} class={`check check-${ok === null ? 'none' : ok ? 'good' : 'bad'}`}>
                <span class="check-mark">
                  {ok === null ? <span aria-hidden="true">·</span> : <Icon name={ok ? 'check' : 'close'} size={16} />}
                </span>
                <span class="check-name">
                  {spoken(name)}
                  <span class="visually-hidden">{ok === null ? ', not judged' : ok ? ', fine' : ', not fine'}</span>
                </span>
                <span class="check-detail">{detail}</span>
              </li>
            ))}
          </ul>
          {next_steps.length > 0 && (
            <>
              <h3 class="label">What to do next</h3>
              <ol class="steps">
                {next_steps.map((step) => (
                  <li key={step}>{withCode(step)}</li>
                ))}
              </ol>
            </>
          )}
          <button type="button" onClick={diagnosis.reload}>
            Check again
          </button>
        </>
      )}
    </Loaded>
  );
}

/** What the daemon writes between backticks is to be typed. */
function withCode(text: string) {
  return text.split('`').map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part));
}
