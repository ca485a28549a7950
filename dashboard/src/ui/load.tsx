// What a page asks the daemon for: what came, or why nothing did.

import type { ComponentChildren } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { wordsOf } from '../api/client.ts';

export interface Loading<T> {
  data: T | null;
  error: string | null;
  reload: () => void;
}

/** Loads when the key changes and, with `every`, again and again while somebody looks. What was there stays until there is more. */
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>, every?: number): Loading<T> {
  const [state, setState] = useState<{ key: string; data: T | null; error: string | null }>({
    key,
    data: null,
    error: null,
  });
  const [round, setRound] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const until = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      if (!document.hidden) {
        try {
          const data = await latest.current(until.signal);
          if (!until.signal.aborted) setState({ key, data, error: null });
        } catch (error) {
          if (until.signal.aborted) return;
          setState((old) => ({ key, data: old.key === key ? old.data : null, error: wordsOf(error) }));
        }
      }
      if (every !== undefined && !until.signal.aborted) timer = setTimeout(() => void ask(), every);
    };
    void ask();
    return () => {
      until.abort();
      clearTimeout(timer);
    };
  }, [key, round, every]);
  const reload = useCallback(() => setRound((old) => old + 1), []);
  return state.key === key ? { data: state.data, error: state.error, reload } : { data: null, error: null, reload };
}

/** Shows what came, room for it until then, or why it does not come. */
export function Loaded<T>({
  of,
  rows = 3,
  children,
}: {
  of: Loading<T>;
  /** How many lines to keep free until it is there. */
  rows?: number;
  children: (data: T) => ComponentChildren;
}) {
  if (of.data !== null) {
    return (
      <>
        {of.error !== null && <Trouble text={of.error} retry={of.reload} />}
        {children(of.data)}
      </>
    );
  }
  if (of.error !== null) return <Trouble text={of.error} retry={of.reload} />;
  return <Skeleton rows={rows} />;
}

export function Trouble({ text, retry }: { text: string; retry?: () => void }) {
  return (
    <div class="notice notice-bad" role="alert">
      <p>{text}</p>
      {retry !== undefined && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Skeleton({ rows }: { rows: number }) {
  return (
    <div class="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} class="skeleton-row" />
      ))}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}
