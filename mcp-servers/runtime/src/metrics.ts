import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What a tool has done since the start. */
export interface ToolCounts {
  calls: number;
  errors: number;
  /** Time spent in it, in milliseconds. */
  durationMs: number;
}

/** Counts what the process did. */
export class Metrics {
  /** HTTP requests received. */
  requests = 0;
  /** Requests answered with a status of 400 or more, and tool calls that ended in an error. */
  errors = 0;
  readonly startTime = new Date();
  lastAccessed = this.startTime;
  readonly tools: Record<string, ToolCounts> = {};

  /** Milliseconds since the start. */
  get uptime(): number {
    return Date.now() - this.startTime.getTime();
  }

  get errorRate(): number {
    return this.requests > 0 ? this.errors / this.requests : 0;
  }

  received(): void {
    this.requests += 1;
    this.lastAccessed = new Date();
  }

  failed(): void {
    this.errors += 1;
  }

  called(tool: string, durationMs: number, isError: boolean): void {
    const counts = (this.tools[tool] ??= { calls: 0, errors: 0, durationMs: 0 });
    counts.calls += 1;
    counts.durationMs += durationMs;
    if (!isError) return;
    counts.errors += 1;
    this.failed();
  }

  /** Everything as JSON: counts, uptime in milliseconds, memory in bytes, CPU time in microseconds. */
  snapshot() {
    return {
      requests: this.requests,
      errors: this.errors,
      errorRate: this.errorRate,
      startTime: this.startTime.toISOString(),
      lastAccessed: this.lastAccessed.toISOString(),
      uptime: this.uptime,
      memory: process.memoryUsage(),
      cpu: process.cpuUsage(),
      tools: this.tools,
    };
  }
}

let writes = 0;

/**
 * Writes `value` to `dir/name` so that a reader sees the old file or the new one, never half of it.
 * @throws the error of the file system
 */
export async function writeWhole(dir: string, name: string, value: unknown): Promise<void> {
  // Two writes at once must not share a temporary file.
  const temporary = join(dir, `.${name}.${process.pid}.${(writes += 1)}`);
  await writeFile(temporary, `${JSON.stringify(value, null, 2)}\n`);
  await rename(temporary, join(dir, name));
}
