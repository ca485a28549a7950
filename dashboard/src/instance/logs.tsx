// What the server writes, as it writes it.

import { useEffect, useRef, useState } from 'preact/hooks';
import { follow } from '../live/stream.ts';
import { Panel } from '../ui/panel.tsx';

type Stream = 'app' | 'error' | 'stdout' | 'stderr';

interface Line {
  key: number;
  stream: Stream;
  line: string;
}

/** Lines that are kept; older ones go. */
const KEPT = 1_000;
const TAIL = 100;
const CHOICES: { key: string; label: string }[] = [
  { key: '', label: 'All' },
  { key: 'app', label: 'App' },
  { key: 'error', label: 'Errors' },
  { key: 'stdout', label: 'Stdout' },
  { key: 'stderr', label: 'Stderr' },
];

export function Logs({ id }: { id: string }) {
  const [stream, setStream] = useState('');
  const [lines, setLines] = useState<readonly Line[]>([]);
  const [state, setState] = useState<'opening' | 'live' | 'away'>('opening');
  const [following, setFollowing] = useState(true);
  const box = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const until = new AbortController();
    let waiting: Line[] = [];
    let frame = 0;
    let key = 0;
    const show = () => {
      frame = 0;
      const more = waiting;
      waiting = [];
      setLines((old) => [...old, ...more].slice(-KEPT));
    };
    setLines([]);
    setState('opening');
    const of = stream === '' ? '' : `&stream=${stream}`;
    void follow(`/v1/instances/${id}/logs?follow=true&tail=${TAIL}${of}`, {
      signal: until.signal,
      resume: false,
      // Each reading begins with the last lines again.
      opened: () => {
        waiting = [];
        setLines([]);
        setState('live');
      },
      message: ({ data }) => {
        const { stream: from, line } = JSON.parse(data) as { stream: Stream; line: string };
        waiting.push({ key: key++, stream: from, line });
        if (waiting.length > KEPT) waiting.shift();
        frame ||= requestAnimationFrame(show);
      },
      broken: () => setState('away'),
    });
    return () => {
      until.abort();
      cancelAnimationFrame(frame);
    };
  }, [id, stream]);

  useEffect(() => {
    if (following && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [lines, following]);

  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!;
    setFollowing(scrollHeight - scrollTop - clientHeight < 40);
  };
  return (
    <Panel
      title="Logs"
      flush
      tools={
        <>
          <div class="chips chips-small" role="group" aria-label="Which output">
            {CHOICES.map(({ key, label }) => (
              <button key={key} type="button" aria-pressed={stream === key} onClick={() => setStream(key)}>
                {label}
              </button>
            ))}
          </div>
          <label class="only-own">
            <input
              type="checkbox"
              checked={following}
              onChange={(event) => setFollowing(event.currentTarget.checked)}
            />{' '}
            Follow
          </label>
        </>
      }
    >
      <div class="log" ref={box} onScroll={scrolled} tabIndex={0} role="region" aria-label="Log lines">
        {lines.length === 0 && (
          <p class="log-empty">
            {
              {
                opening: 'Opening…',
                live: 'It has written nothing yet.',
                away: 'The log cannot be read at the moment. Trying again…',
              }[state]
            }
          </p>
        )}
        {lines.map(({ key, stream: from, line }) => (
          <div key={key} class={`log-line log-${from}`}>
            {stream === '' && <span class="log-stream">{from}</span>}
            <span class="log-text">{plain(line)}</span>
          </div>
        ))}
      </div>
    </Panel>
  );
}

/** Without the codes that colour a terminal, and without characters that turn text around. */
function plain(line: string): string {
  return line
    .replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}
