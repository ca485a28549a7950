// Whether the whole trail is as it was written, and where it is not.

import type { AuditPage, Finding } from '../api/types.ts';
import { count, spoken } from '../ui/format.ts';
import { Mark } from '../ui/status.tsx';

export function ChainState({ page, onCheck }: { page: AuditPage; onCheck: () => void }) {
  const { chain, writable } = page;
  const { verified, from_seq, to_seq, records, problems, more_problems } = chain;
  const tone = verified ? 'good' : 'bad';
  return (
    <section class={`standing standing-${tone} chain`} aria-label="The trail's chain">
      <Mark tone={tone} />
      <div class="standing-reason">
        <p>
          <strong>{verified ? 'The trail is whole.' : `The trail is broken at ${place(problems[0])}.`}</strong>{' '}
          {records === 0 ? (
            'There is no record yet.'
          ) : (
            <>
              {verified ? 'Every record is as it was written: ' : 'As they were written: '}
              {count(records, 'record')}, from {from_seq.toLocaleString('en')} to {to_seq.toLocaleString('en')}.
            </>
          )}
        </p>
        {!writable && (
          <p class="error">
            Records cannot be written at present, so whatever needs one is refused. The daemon's log says why.
          </p>
        )}
        {problems.length > 0 && (
          <ul class="breaks">
            {problems.map((problem) => (
              <li key={`${problem.kind} ${problem.seq} ${problem.file} ${problem.line}`}>
                <strong>{spoken(problem.kind)}</strong>, {place(problem)}: {problem.detail}{' '}
                <span class="muted">
                  {problem.file}
                  {problem.line !== null && `, line ${problem.line}`}
                </span>
              </li>
            ))}
            {more_problems > 0 && <li>And {count(more_problems, 'more place')}.</li>}
          </ul>
        )}
      </div>
      <button type="button" onClick={onCheck}>
        Check all of it
      </button>
    </section>
  );
}

function place(problem: Finding | undefined): string {
  if (problem === undefined) return 'a place that is not known';
  const { seq, to_seq } = problem;
  return seq === to_seq
    ? `record ${seq.toLocaleString('en')}`
    : `records ${seq.toLocaleString('en')} to ${to_seq.toLocaleString('en')}`;
}
