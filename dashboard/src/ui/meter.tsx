/** A figure, and below it how much of its limit that is. Past four fifths it stands out. */
export function Meter({ text, part, of }: { text: string; part: number | null; of: string }) {
  const tone = part === null || part < 0.8 ? 'calm' : part < 1 ? 'warn' : 'bad';
  return (
    <span
      class={`meter meter-${tone}`}
      title={part === null ? `no limit of ${of}` : `${Math.round(part * 100)} % of its limit of ${of}`}
    >
      <span class="figure">{text}</span>
      <svg class="meter-track" viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true">
        <rect class="meter-ground" width="100" height="3" />
        {part !== null && <rect class="meter-fill" width={Math.min(100, Math.max(1, part * 100))} height="3" />}
      </svg>
    </span>
  );
}
