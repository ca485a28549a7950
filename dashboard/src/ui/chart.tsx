// One line over time, with its limit. The figures beside it say the same to whoever does not see it.

import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { clockTime } from './format.ts';
import { isDark } from './theme.tsx';

export interface Series {
  name: string;
  /** Seconds since 1970, rising. */
  at: number[];
  values: (number | null)[];
  limit: number | null;
  /** Whether there is anything to measure at present. */
  live: boolean;
  /** Whether the scale goes in powers of two. */
  binary?: boolean;
  text: (value: number) => string;
  tone: 'one' | 'two' | 'three';
  /** The scale reaches at least to here, so that noise does not look like load. */
  floor: number;
}

const HEIGHT = 96;
const POWERS = Array.from({ length: 48 }, (_, power) => 2 ** power);

export function Chart({ series }: { series: Series }) {
  const { name, at, values, limit, live, text, tone } = series;
  const seen = values.filter((value) => value !== null);
  const last = live ? (values.at(-1) ?? null) : null;
  const peak = seen.length === 0 ? null : Math.max(...seen);
  const facts = [peak !== null && `peak ${text(peak)}`, limit !== null && `limit ${text(limit)}`]
    .filter(Boolean)
    .join(', ');
  return (
    <figure class={`chart chart-${tone}`}>
      <figcaption>
        <span class="chart-name">{name}</span>
        <span class="chart-now">{last === null ? '–' : text(last)}</span>
        <span class="chart-facts">{facts === '' ? ' ' : facts}</span>
      </figcaption>
      {at.length < 2 ? (
        <div class="chart-empty">No measurements yet</div>
      ) : (
        <Plot
          series={series}
          label={`${name} from ${clockTime(at[0]! * 1_000)} to ${clockTime(at.at(-1)! * 1_000)}${facts === '' ? '' : `: ${facts}`}`}
        />
      )}
    </figure>
  );
}

function Plot({ series, label }: { series: Series; label: string }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const latest = useRef(series);
  latest.current = series;
  const dark = isDark.value;
  useEffect(() => {
    const element = place.current!;
    // A canvas knows no variables of CSS, so the style gives its colours as properties of the place.
    const drawn = new uPlot(
      options(element.clientWidth, latest, getComputedStyle(element)),
      dataOf(latest.current),
      element,
    );
    plot.current = drawn;
    const sized = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height: HEIGHT }));
    sized.observe(element);
    return () => {
      sized.disconnect();
      drawn.destroy();
    };
  }, [dark]);
  useEffect(() => plot.current?.setData(dataOf(series)), [series]);
  return <div class="plot" ref={place} role="img" aria-label={label} />;
}

/** Within less than this, minutes alone would repeat themselves. */
const SHORT_S = 240;

function span({ at }: Series): number {
  return at.at(-1)! - at[0]!;
}

function dataOf({ at, values }: Series): uPlot.AlignedData {
  return [at, values];
}

function options(
  width: number,
  latest: { current: Series },
  { color: line, fill, stroke: grid, caretColor: words }: CSSStyleDeclaration,
): uPlot.Options {
  const axis = { stroke: words, font: '11px system-ui, sans-serif', ticks: { show: false }, border: { show: false } };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [6, 6, 0, 0],
    scales: {
      x: { time: true },
      y: { range: (_, __, max) => [0, Math.max(latest.current.floor, (max ?? 0) * 1.15)] },
    },
    axes: [
      {
        ...axis,
        size: 20,
        space: 90,
        grid: { show: false },
        values: (_, splits) =>
          splits.map((at) => clockTime(at * 1_000).slice(0, span(latest.current) < SHORT_S ? 8 : 5)),
      },
      {
        ...axis,
        ...(latest.current.binary ? { incrs: POWERS } : {}),
        size: 62,
        space: 30,
        grid: { stroke: grid, width: 1 },
        values: (_, splits) => splits.map((value) => latest.current.text(value)),
      },
    ],
    series: [{}, { stroke: line, width: 1.75, fill, points: { show: false }, spanGaps: false }],
  };
}
