import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

/** A part of a page under a heading of its own. */
export function Panel({
  title,
  tools,
  children,
  flush = false,
}: {
  title: string;
  tools?: ComponentChildren;
  children: ComponentChildren;
  /** Whether what is inside reaches to the edges. */
  flush?: boolean;
}) {
  const heading = useId();
  return (
    <section class={flush ? 'panel panel-flush' : 'panel'} aria-labelledby={heading}>
      <header class="panel-head">
        <h2 id={heading}>{title}</h2>
        {tools !== undefined && <div class="panel-tools">{tools}</div>}
      </header>
      {children}
    </section>
  );
}
