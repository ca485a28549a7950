import { useEffect, useRef, useState } from 'preact/hooks';
import { announce, failed } from './feedback.tsx';
import { Icon } from './icons.tsx';

/** Text that is there to be copied. */
export function Copyable({ text, label, block = false }: { text: string; label: string; block?: boolean }) {
  const area = useRef<HTMLElement>(null);
  return (
    <div class={block ? 'copyable copyable-block' : 'copyable'}>
      {block ? (
        <pre ref={area as never} tabIndex={0} aria-label={label}>
          {text}
        </pre>
      ) : (
        <code ref={area as never}>{text}</code>
      )}
      <CopyButton text={text} label={label} source={area} />
    </div>
  );
}

function CopyButton({ text, label, source }: { text: string; label: string; source: { current: HTMLElement | null } }) {
  const [done, setDone] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    if (!(await copied(text, source.current))) {
      failed('The browser did not copy it. It is selected now: press Ctrl+C.');
      return;
    }
    announce(`${label} copied`);
    setDone(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setDone(false), 2_000);
  };
  return (
    <button type="button" class="copy" aria-label={`Copy ${label}`} onClick={() => void copy()}>
      <Icon name={done ? 'check' : 'copy'} size={16} />
      <span>{done ? 'Copied' : 'Copy'}</span>
    </button>
  );
}

/** The clipboard is for secure contexts; elsewhere the text is selected and copied as a person would. */
async function copied(text: string, source: HTMLElement | null): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    if (source === null) return false;
    getSelection()?.selectAllChildren(source);
    return document.execCommand('copy');
  }
}
