// A type from the description that the registry of MCP servers has of a server: read first, shown with the exact command,
// and stored only when somebody who saw that approves it.

import { useEffect, useRef, useState } from 'preact/hooks';
import { post, Refused, wordsOf } from '../api/client.ts';
import type { ImportedType } from '../api/types.ts';
import { go } from '../router.ts';
import { PageHead } from '../shell.tsx';
import { told } from '../ui/feedback.tsx';
import { Icon } from '../ui/icons.tsx';
import { type Asked, EMPTY, ImportForm, requestOf, Unreadable } from './form.tsx';
import { Review } from './review.tsx';

export function ImportPage() {
  const [asked, setAsked] = useState<Asked>(EMPTY);
  const [shown, setShown] = useState<ImportedType | null>(null);
  const [busy, setBusy] = useState(false);
  const [errors, setErrors] = useState<string[]>([]);
  const step = useRef<HTMLDivElement>(null);
  const first = useRef(true);
  const reviewing = shown !== null;
  useEffect(() => {
    if (first.current) first.current = false;
    else {
      step.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  }, [reviewing]);

  const send = async (more: { approve?: true; digest?: string }): Promise<ImportedType | null> => {
    setBusy(true);
    setErrors([]);
    try {
      return await post<ImportedType>('/v1/types/import', { ...requestOf(asked), ...more });
    } catch (thrown) {
      setErrors(faultsOf(thrown));
      return null;
    } finally {
      setBusy(false);
    }
  };
  const look = async () => {
    const answer = await send({});
    if (answer !== null) setShown(answer);
  };
  const approve = async ({ digest }: ImportedType) => {
    const answer = await send({ approve: true, digest });
    if (answer === null) return;
    told(`The type ${answer.definition.name} is imported.`);
    go('/types');
  };
  return (
    <>
      <p class="crumbs">
        <a href="#/types">
          <Icon name="back" size={16} />
          Types
        </a>
      </p>
      <PageHead
        title="Import a type"
        note={
          reviewing
            ? 'Nothing is stored yet. Approve it only if this is what may run here.'
            : 'From a server.json, as the registry of MCP servers has them.'
        }
      />
      <div class="import" ref={step} tabIndex={-1} role="group" aria-label={reviewing ? 'Look at it' : 'Describe it'}>
        {reviewing ? (
          <Review
            imported={shown}
            busy={busy}
            errors={errors}
            onApprove={() => void approve(shown)}
            onBack={() => {
              setErrors([]);
              setShown(null);
            }}
          />
        ) : (
          <ImportForm asked={asked} onChange={setAsked} busy={busy} errors={errors} onLook={() => void look()} />
        )}
      </div>
    </>
  );
}

/** What is wrong, place by place where the daemon says so. */
function faultsOf(thrown: unknown): string[] {
  if (thrown instanceof Unreadable) return [thrown.message];
  if (!(thrown instanceof Refused)) return [wordsOf(thrown)];
  const places = [...thrown.places].map(([place, words]) => `${place}: ${words}`);
  if (thrown.code === 'exists') return [`${wordsOf(thrown)} Go back and give it another name.`];
  if (thrown.code === 'changed')
    return ['What would be imported has changed since you looked. Go back and look again.'];
  return places.length > 0 ? places : [wordsOf(thrown)];
}
