import { now } from '../live/clock.ts';
import { duration, moment, relative } from './format.ts';

/** How long ago, with the moment itself for whoever points at it. */
export function Ago({ at }: { at: string }) {
  return (
    <time dateTime={at} title={moment(at)}>
      {relative(Date.parse(at), now.value)}
    </time>
  );
}

/** How long a lease goes on. Within its last minutes it stands out. */
export function LeaseLeft({ at, ended }: { at: string; ended: boolean }) {
  const left = Date.parse(at) - now.value;
  if (ended || left <= 0) return <span class="muted">{ended ? '–' : 'ended'}</span>;
  return (
    <time class={left < SOON_MS ? 'figure soon' : 'figure'} dateTime={at} title={`until ${moment(at)}`}>
      {duration(left)}
    </time>
  );
}

/** A lease that ends within this time needs attention. */
export const SOON_MS = 10 * 60_000;
