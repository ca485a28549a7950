import { get } from '../api/client.ts';
import type { Instance, InstanceStats } from '../api/types.ts';
import { Chart, type Series } from '../ui/chart.tsx';
import { bytes, count, milliseconds, percent } from '../ui/format.ts';
import { Loaded, useLoad } from '../ui/load.tsx';
import { Panel } from '../ui/panel.tsx';

const EVERY_MS = 5_000;

export function Charts({ instance }: { instance: Instance }) {
  const { max_cpu_percent: cpuLimit, max_memory_mb: memoryLimit } = instance.limits.declared;
  const live = instance.process_id !== null;
  const stats = useLoad(
    `${instance.id} stats`,
    (signal) => get<InstanceStats>(`/v1/instances/${instance.id}/stats`, signal),
    EVERY_MS,
  );
  const requests =
    stats.data === null
      ? null
      : `${count(stats.data.requests, 'request')}${stats.data.in_flight > 0 ? `, ${stats.data.in_flight} under way` : ''}`;
  return (
    <Panel title="Recent use" tools={requests !== null && <span class="muted">{requests}</span>}>
      <Loaded of={stats} rows={4}>
        {({ samples }) => {
          const at = samples.map((sample) => Date.parse(sample.at) / 1_000);
          const all: Series[] = [
            {
              name: 'CPU',
              at,
              values: samples.map(({ cpu_percent }) => cpu_percent),
              limit: cpuLimit,
              live,
              text: percent,
              tone: 'one',
              floor: 5,
            },
            {
              name: 'Memory',
              at,
              values: samples.map(({ memory_bytes }) => memory_bytes),
              limit: memoryLimit === null ? null : memoryLimit * 1_048_576,
              live,
              binary: true,
              text: bytes,
              tone: 'two',
              floor: 1_048_576,
            },
            {
              name: 'Health check',
              at,
              values: samples.map(({ health_latency_ms }) => health_latency_ms),
              limit: null,
              live,
              text: milliseconds,
              tone: 'three',
              floor: 1,
            },
          ];
          return (
            <div class="charts">
              {all.map((series) => (
                <Chart key={series.name} series={series} />
              ))}
            </div>
          );
        }}
      </Loaded>
    </Panel>
  );
}
