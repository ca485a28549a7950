import type { CallToolResult, Tool as ListedTool } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { Failure } from './failure.ts';
import type { Health } from './health.ts';
import type { Metrics } from './metrics.ts';
import type { Redactor } from './redaction.ts';
import type { Call, Tool } from './tool.ts';

/** What the tools share for the life of the process. */
export interface Surroundings<C> {
  call: Omit<Call<C>, 'signal'>;
  health: Health;
  metrics: Metrics;
  redactor: Redactor;
}

/** The tools of a server: their listing and the way to call one. */
export class Catalogue<C> {
  #listed: ListedTool[] | undefined;
  readonly #tools: Map<string, Tool<C>>;

  constructor(
    private readonly tools: readonly Tool<C>[],
    private readonly around: Surroundings<C>,
  ) {
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
  }

  /** The answer to `tools/list`, made when it is first asked for. */
  get listed(): ListedTool[] {
    this.#listed ??= this.tools.map((tool) => ({
      name: tool.name,
      title: tool.title,
      description: tool.description,
      inputSchema: jsonSchema(tool.input, 'input'),
      outputSchema: jsonSchema(tool.output, 'output'),
      annotations: { title: tool.title, ...tool.annotations, openWorldHint: true },
    }));
    return this.#listed;
  }

  has(name: string): boolean {
    return this.#tools.has(name);
  }

  /**
   * Calls a tool that exists. Everything that goes wrong becomes a result with `isError`, so that the agent reads it.
   * @param signal aborted when nobody waits for the result any more
   */
  async call(name: string, args: unknown, signal: AbortSignal): Promise<CallToolResult> {
    const tool = this.#tools.get(name)!;
    const startedAt = performance.now();
    const result = await this.#run(tool, args, signal);
    const durationMs = performance.now() - startedAt;
    const isError = result.isError === true;
    this.around.metrics.called(name, durationMs, isError);
    // The names alone: values may be a user's own.
    this.around.call.log.debug('tool called', { tool: name, arguments: Object.keys(args ?? {}), durationMs, isError });
    return result;
  }

  async #run(tool: Tool<C>, args: unknown, signal: AbortSignal): Promise<CallToolResult> {
    const { health, redactor } = this.around;
    const { log } = this.around.call;
    const parsed = tool.input.safeParse(args ?? {});
    if (!parsed.success) return failed(`Invalid arguments for ${tool.name}: ${issues(parsed.error)}`);
    try {
      const output = tool.output.safeParse(await tool.run(parsed.data, { ...this.around.call, signal }));
      health.accepted();
      if (output.success) return succeeded(output.data);
      log.error('tool result does not fit its schema', { tool: tool.name, issues: issues(output.error) });
      return failed(`${tool.name} produced a result that does not fit its schema: ${issues(output.error)}`);
    } catch (error) {
      health.failed(error);
      if (error instanceof Failure) {
        log.warn('tool failed', { tool: tool.name, kind: error.kind, error: error.message });
        return failed(redactor.text(advice(error)));
      }
      log.error('tool broke', { tool: tool.name, error });
      return failed(`${tool.name} failed inside the server; its log says why`);
    }
  }
}

function advice(failure: Failure): string {
  const wait = failure.retryAfterSeconds;
  return wait === undefined ? failure.message : `${failure.message}. Try again in ${wait} seconds.`;
}

function succeeded(structuredContent: Record<string, unknown>): CallToolResult {
  // Clients that know no structured content read the text.
  return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
}

function failed(text: string): CallToolResult {
  return { content: [{ type: 'text', text }], isError: true };
}

function issues(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.') || 'arguments'}: ${issue.message}`).join('; ');
}

function jsonSchema(schema: z.ZodObject, io: 'input' | 'output'): ListedTool['inputSchema'] {
  return { ...z.toJSONSchema(schema, { io }), type: 'object' } as ListedTool['inputSchema'];
}
